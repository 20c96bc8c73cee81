"""plan promote, plan rollback: what would be done, without doing it."""

import shlex
from typing import Annotated

import typer

from trilock.cli.commands.promotions import companions
from trilock.cli.exits import CommandError, exit_for_reason
from trilock.cli.input.options import (
    AcceptWindow,
    AliasArgument,
    BundleArgument,
    FeaturesFrom,
    FeaturesTo,
    Only,
    Output,
    With,
)
from trilock.cli.input.windows import window
from trilock.cli.output.plain import plain
from trilock.cli.output.plans import companion_lines, plan_lines, rollback_lines
from trilock.cli.output.streams import Format, say, write, write_json
from trilock.cli.output.words import last
from trilock.cli.running.command import Command
from trilock.cli.running.derived import only as only_half
from trilock.cli.running.session import connected
from trilock.client.names import short_alias
from trilock.v1.release_service_pb2 import PlanPromotionRequest, PlanRollbackRequest


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(help="Show what would be done, step by step.", no_args_is_help=True)
    group.command(cls=Command)(promote)
    group.command(cls=Command)(rollback)
    app.add_typer(group, name="plan")


def promote(
    context: typer.Context,
    bundle: BundleArgument,
    alias: AliasArgument = None,
    *,
    together: With = None,
    features_from: FeaturesFrom = None,
    features_to: FeaturesTo = None,
    only: Only = None,
    accept_window: AcceptWindow = "",
    output: Output = Format.TABLE,
) -> None:
    """Show the steps of a promotion.

    Exits as the promotion would if it would be refused.
    """
    with connected(context) as session:
        name, where = session.names.placed(bundle, alias)
        name = only_half(session, name, alias=where, half=only)
        request = PlanPromotionRequest(
            alias=where,
            bundle=name,
            feature_window=window(features_from, features_to),
            companions=companions(session.names, together),
            accept_window=accept_window,
        )
        response = session.client.releases.PlanPromotion(request)
    if output is Format.JSON:
        write_json(plain(response))
    else:
        write("\n".join(plan_lines(response.plan)))
        for companion in response.companions:
            write("\n".join(companion_lines(companion)))
    if response.HasField("refusal"):
        refusal = response.refusal
        raise CommandError(
            f"promote would be refused: {refusal.message}", code=exit_for_reason(refusal.reason)
        )
    # The plan's id says all of this, so a promotion without it would be another plan.
    also = "".join(f" --with {text}" for text in together or [])
    also += f" --features-from {features_from}" if features_from else ""
    also += f" --features-to {features_to}" if features_to else ""
    also += f" --accept-window {shlex.quote(accept_window)}" if accept_window else ""
    short, told = short_alias(request.alias), bundle if only is None else last(name)
    say(f"next: trilock promote {told} {short}{also} --plan {response.plan.id}")


def rollback(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE", help="Not to the target, but to this one.", show_default=False
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the steps of a rollback."""
    with connected(context) as session:
        name = session.names.alias(alias)
        to_bundle = session.names.bundle(to, model=name.split("/")[1]) if to else ""
        request = PlanRollbackRequest(alias=name, to_bundle=to_bundle)
        response = session.client.releases.PlanRollback(request)
    if output is Format.JSON:
        write_json(plain(response))
        return
    write("\n".join(rollback_lines(response)))
    say(f"next: trilock rollback {short_alias(name)}{f' --to {to}' if to else ''}")
