"""fallback set, show, clear: where a rollback goes when no release can be restored."""

from typing import Annotated

import typer

from trilock.cli.input.options import AliasArgument, BundleArgument, DryRun, Output, Reason
from trilock.cli.output.plain import enum_name, moment, plain
from trilock.cli.output.streams import Format, say, write_json, write_table
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected
from trilock.client.names import short_alias
from trilock.v1.release_pb2 import Readiness
from trilock.v1.release_service_pb2 import (
    ClearFallbackRequest,
    GetAliasRequest,
    SetFallbackRequest,
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(
        help="Where a rollback goes when no release can be restored.", no_args_is_help=True
    )
    group.command("set", cls=Command)(set_)
    group.command(cls=Command)(show)
    group.command(cls=Command)(clear)
    app.add_typer(group, name="fallback")


def set_(
    context: typer.Context,
    bundle: BundleArgument,
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Prove a bundle, and record it as the fallback."""
    with connected(context) as session:
        name, where = session.names.placed(bundle, alias)
        request = SetFallbackRequest(
            alias=where,
            bundle=name,
            reason=reason,
            validate_only=dry_run,
        )
        response = session.client.releases.SetFallback(request)
    short = short_alias(request.alias)
    if dry_run:
        say(f"bundle {last(name)} can be the fallback of {short}")
        return
    if output is Format.JSON:
        write_json(plain(response.fallback))
    say(f"bundle {last(name)} is the fallback of {short}; `trilock status` says if it stays ready")


def show(
    context: typer.Context, alias: AliasArgument = None, *, output: Output = Format.TABLE
) -> None:
    """Show the fallback bundle, and whether it is ready."""
    with connected(context) as session:
        request = GetAliasRequest(name=session.names.alias(alias))
        found = session.client.releases.GetAlias(request).alias
    if output is Format.JSON:
        write_json(plain(found.fallback) if found.HasField("fallback") else None)
        return
    if not found.HasField("fallback"):
        say(f"{short_alias(found.name)} has no fallback bundle: trilock fallback set BUNDLE")
        return
    fallback = found.fallback
    ready = fallback.readiness
    rows = [
        ("bundle", fallback.bundle),
        ("by", fallback.cause.principal),
        ("reason", fallback.cause.reason or "-"),
        ("recorded", when(moment(fallback.create_time))),
        ("readiness", enum_name(Readiness.State.DESCRIPTOR, ready.state)),
        ("looked at", when(moment(ready.check_time))),
        *(("problem", problem) for problem in ready.problems),
    ]
    write_table(["", ""], rows)


def clear(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Annotated[str, typer.Option(help="Why. Recorded.", show_default=False)] = "",
) -> None:
    """Have no fallback bundle any more."""
    with connected(context) as session:
        name = session.names.alias(alias)
        session.client.releases.ClearFallback(ClearFallbackRequest(alias=name, reason=reason))
    say(f"{short_alias(name)} has no fallback bundle any more")
