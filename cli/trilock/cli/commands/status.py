"""status, history, aliases: what is live, what was, and who did it."""

import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from trilock.cli.input.options import AliasFilter, Limit, ModelFilter, Output
from trilock.cli.output.plain import enum_name, moment, plain
from trilock.cli.output.streams import Format, console, render, say, write_json, write_table
from trilock.cli.output.tree import AliasView, status_tree
from trilock.cli.output.words import last, moment_of, when
from trilock.cli.running.command import Command, until_ctrl_c
from trilock.cli.running.session import Session, connected, pages
from trilock.client.errors import TrilockError, UnavailableError
from trilock.client.names import short_alias
from trilock.v1.operation_service_pb2 import GetOperationRequest
from trilock.v1.release_pb2 import Alias, Cause, Readiness, Release, ReleaseKind, ReleaseState
from trilock.v1.release_service_pb2 import (
    GetAliasRequest,
    ListAliasesRequest,
    ListReleasesRequest,
)
from trilock.v1.serving_service_pb2 import ResolveRequest

_WHY: Final = "reason [incident]"


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(status)
    app.command(cls=Command)(history)
    app.command(cls=Command)(aliases)


def status(
    context: typer.Context,
    alias: AliasFilter = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, until ctrl-c.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks with --watch.")
    ] = 2.0,
    limit: Limit = 50,
    output: Output = Format.TABLE,
) -> None:
    """Show what is live, where it can go back, what differs."""
    with connected(context) as session:
        if watch and output is Format.TABLE:
            _watch(session, alias, limit=limit, interval=interval)
            return
        views = _views(session, alias, limit=limit)
    if output is Format.JSON:
        write_json([_data(view) for view in views])
        return
    for view in views:
        render(status_tree(view), sys.stdout)
    if not views:
        say("nothing was ever released; record a bundle and promote it")


def history(
    context: typer.Context,
    alias: AliasFilter = None,
    *,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """List what was live when, who made it so, and why."""
    with connected(context) as session:
        name = session.names.alias(alias) if alias else ""
        call = session.client.releases.ListReleases
        request = ListReleasesRequest(alias=name)
        found: list[Release] = pages(call, request, items="releases", limit=limit)
        if not found:
            session.names.require(name)
    if output is Format.JSON:
        write_json([plain(release) for release in found])
        return
    if not found:
        say(f"nothing was ever released{f' on {short_alias(name)}' if name else ''}")
        return
    columns = ["revision", "alias", "change", "state", "when", "by", _WHY, "fleet"]
    rows = [row for release in found for row in _history_rows(release)]
    rows.sort(key=lambda row: row[0], reverse=True)
    write_table(columns, rows, prose={_WHY}, once="alias")


def aliases(
    context: typer.Context, model: ModelFilter = None, *, output: Output = Format.TABLE
) -> None:
    """List aliases with what is live on them."""
    with connected(context) as session:
        found = _list_aliases(session, model or "", limit=None)
        if not found:
            session.names.require(model)
    if output is Format.JSON:
        write_json([plain(alias) for alias in found])
        return
    rows = [
        (
            short_alias(alias.name),
            last(alias.live.bundle),
            enum_name(ReleaseState.DESCRIPTOR, alias.live.state),
            when(moment(alias.live.start_time)),
            enum_name(Readiness.State.DESCRIPTOR, alias.readiness.state),
            ", ".join(plane.plane for plane in alias.planes if not plane.converged) or "-",
        )
        for alias in found
    ]
    write_table(["alias", "bundle", "state", "since", "rollback target", "differs"], rows)


def _views(session: Session, alias: str | None, *, limit: int) -> list[AliasView]:
    if alias:
        request = GetAliasRequest(name=session.names.alias(alias))
        found = [session.client.releases.GetAlias(request).alias]
    else:
        found = _list_aliases(session, "", limit=limit + 1)
        if len(found) > limit:
            say(f"there are more aliases than the {limit} shown: raise --limit, or name one")
        found = found[:limit]
    return [_view(session, one) for one in found]


def _list_aliases(session: Session, model: str, *, limit: int | None) -> list[Alias]:
    request = ListAliasesRequest(model=model)
    return pages(session.client.releases.ListAliases, request, items="aliases", limit=limit)


def _view(session: Session, alias: Alias) -> AliasView:
    live = operation = None
    try:
        live = session.client.serving.Resolve(ResolveRequest(alias=alias.name)).live_bundle
    except TrilockError as error:  # the rest of the status is worth the more for it
        say(f"what serving processes are told of {short_alias(alias.name)} is unknown: {error}")
    if alias.operation:
        request = GetOperationRequest(name=alias.operation)
        operation = session.client.operations.GetOperation(request).operation
    return AliasView(alias=alias, live=live, operation=operation)


def _data(view: AliasView) -> dict[str, Any]:
    return {
        **plain(view.alias),
        "live_bundle": None if view.live is None else plain(view.live),
        "operation": None if view.operation is None else plain(view.operation),
    }


def _watch(session: Session, alias: str | None, *, limit: int, interval: float) -> None:
    pause = threading.Event()  # an event's wait ends at once on ctrl-c
    shown: RenderableType = Text("")
    with until_ctrl_c(), Live(console=console(sys.stdout), auto_refresh=False) as live:
        while True:
            try:
                shown = _trees(_views(session, alias, limit=limit))
                live.update(shown, refresh=True)
            except UnavailableError as error:
                # What was seen last is worth more than an end, at 3 am.
                live.update(Group(shown, Text(f"no answer, asking again: {error}")), refresh=True)
            pause.wait(interval)


def _trees(views: Sequence[AliasView]) -> RenderableType:
    if not views:
        return Text("nothing was ever released")
    return Group(*(status_tree(view) for view in views))


def _history_rows(release: Release) -> Iterator[tuple[Any, ...]]:
    """Yield how *release* came, and the pauses of its soak."""
    state = enum_name(ReleaseState.DESCRIPTOR, release.state)
    yield _row(
        release,
        release.revision,
        _change(release),
        state,
        at=release.start_time,
        cause=release.cause,
        fleet=_fleet(release),
    )
    for pause in release.pauses:
        what = f"pause {last(release.bundle)}"
        yield _row(release, pause.revision, what, "-", at=pause.start_time, cause=pause.cause)
        if pause.end_revision:
            what = f"resume {last(release.bundle)}"
            yield _row(
                release, pause.end_revision, what, "-", at=pause.end_time, cause=pause.end_cause
            )


def _row(
    release: Release,
    revision: int,
    change: str,
    state: str,
    *,
    at: Timestamp,
    cause: Cause,
    fleet: str = "-",
) -> tuple[Any, ...]:
    return (
        revision,
        short_alias(release.alias),
        change,
        state,
        moment_of(moment(at)),
        cause.principal or "-",
        f"{cause.reason} {f'[{cause.incident}]' if cause.incident else ''}".strip() or "-",
        fleet,
    )


def _fleet(release: Release) -> str:
    """Return how many watchers followed, and how long the last one took."""
    if not release.acknowledged_watchers:
        return "-"
    took = release.acknowledge_duration.ToMilliseconds() / 1000
    return f"{release.acknowledged_watchers} in {took:.2f} s"


def _change(release: Release) -> str:
    verb = "roll back" if release.kind == ReleaseKind.RELEASE_KIND_ROLLBACK else "promote"
    before = last(release.leaves_bundle) or "nothing"
    return f"{verb} {before} -> {last(release.bundle)}"
