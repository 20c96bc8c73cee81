"""drift, adopt, reassert: what others changed, and who was right."""

import time
from typing import Annotated

import typer

from trilock.cli.input.options import (
    PROMOTE_TIMEOUT_S,
    TIMEOUT_HELP,
    AliasArgument,
    AliasFilter,
    DryRun,
    FeaturesFrom,
    FeaturesTo,
    Limit,
    Output,
    Reason,
    Wait,
)
from trilock.cli.input.windows import window
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.streams import Format, clean, say, write, write_json, write_table
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.finishing import finish, seconds
from trilock.cli.running.session import connected, new_request_id, pages
from trilock.client.names import short_alias
from trilock.v1.drift_pb2 import Drift
from trilock.v1.drift_service_pb2 import AdoptRequest, ListDriftsRequest, ReassertRequest


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(drift)
    app.command(cls=Command)(adopt)
    app.command(cls=Command)(reassert)


def drift(
    context: typer.Context,
    alias: AliasFilter = None,
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also what is gone again.")] = False,
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """List what others changed behind trilock's back."""
    with connected(context) as session:
        request = ListDriftsRequest(
            alias=session.names.alias(alias) if alias else "", show_ended=ended
        )
        call = session.client.drifts.ListDrifts
        found: list[Drift] = pages(call, request, items="drifts", limit=limit)
        if not found:
            session.names.require(request.alias)
    if output is Format.JSON:
        write_json([plain(one) for one in found])
        return
    columns = ["alias", "what", "wanted", "found", "since", "what happens", "changes"]
    rows = [
        (
            short_alias(one.alias),
            one.resource,
            one.wanted or "none",
            one.found or "none",
            when(moment(one.start_time)),
            _happens(one),
            "; ".join(one.changes) or "-",
        )
        for one in found
    ]
    write_table(columns, rows)
    if not found:
        say("nothing drifted")


def adopt(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    features_from: FeaturesFrom = None,
    features_to: FeaturesTo = None,
    reason: Reason = "",
    accept_unready: Annotated[
        str,
        typer.Option(
            metavar="WHY",
            help="Adopt although what is replaced could not be restored.",
            show_default=False,
        ),
    ] = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    timeout: Annotated[float, typer.Option(min=0, help=TIMEOUT_HELP)] = PROMOTE_TIMEOUT_S,
    output: Output = Format.TABLE,
) -> None:
    """Make a foreign move of the model alias a promotion.

    The newest bundle with that model version is checked and promoted like any other.
    """
    with connected(context) as session:
        request = AdoptRequest(
            alias=session.names.alias(alias),
            feature_window=window(features_from, features_to),
            reason=reason,
            accept_unready=accept_unready,
            request_id=new_request_id(),
            validate_only=dry_run,
        )
        short = short_alias(request.alias)
        begun = time.monotonic()
        response = session.client.drifts.Adopt(request)
        bundle = last(response.bundle)
        if dry_run:
            say(f"bundle {bundle} can be promoted to {short}")
            return
        followed = finish(
            session, response.operation, wait=wait, timeout=timeout, output=output, begun=begun
        )
    if followed is not None and output is Format.TABLE:
        write(f"bundle {bundle} is live on {short}: {seconds(followed)}")
    if followed is not None:
        say(f"next: trilock finalize {short}, or trilock rollback {short}")


def reassert(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Annotated[str, typer.Option(help="Why what others changed goes. Recorded.")],
    output: Output = Format.TABLE,
) -> None:
    """Drive planes that drifted to the live bundle again."""
    with connected(context) as session:
        request = ReassertRequest(alias=session.names.alias(alias), reason=reason)
        found = session.client.drifts.Reassert(request).drifts
    if output is Format.JSON:
        write_json([plain(one) for one in found])
    for one in found:
        say(clean(f"{one.resource} is made to agree again"))
    say(f"next: trilock status {short_alias(request.alias)}")


def _happens(one: Drift) -> str:
    if one.HasField("end_time"):
        return f"gone {when(moment(one.end_time))}"
    held = f"bundle {last(one.held_bundle)} is on hold: " if one.held_bundle else ""
    return held + ("made to agree again" if one.reasserted else "reported only")
