"""resolve, watch: what serving processes are told."""

import contextlib
import queue
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.grammar import moment
from trilock.cli.input.options import AliasArgument, Output
from trilock.cli.output.plain import enum_name, plain
from trilock.cli.output.plain import moment as timestamp
from trilock.cli.output.streams import (
    Format,
    clean,
    say,
    write,
    write_json,
    write_json_line,
    write_table,
)
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command, until_ctrl_c
from trilock.cli.running.session import Session, all_aliases, connected, nothing_released
from trilock.client import LiveBundle, Resolver
from trilock.client.errors import TrilockError
from trilock.client.names import short_alias
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import GetReleaseAtRequest
from trilock.v1.serving_pb2 import ServingBundle
from trilock.v1.serving_service_pb2 import ResolveRequest

_LISTEN_S: Final = 0.2


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(resolve)
    app.command(cls=Command)(watch)


def resolve(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    min_revision: Annotated[
        int, typer.Option(min=0, help="The least revision the answer must be of.")
    ] = 0,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Not now, but at that moment.", show_default=False),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the bundle that serves now, or served then."""
    if at is not None and min_revision:
        raise UsageError("--min-revision is for now: it cannot be said with --at")
    with connected(context) as session:
        name = session.names.alias(alias)
        if at is not None:
            _write_past(session, name, at=moment(at), output=output)
            return
        request = ResolveRequest(alias=name, min_revision=min_revision)
        live = session.client.serving.Resolve(request).live_bundle
    if output is Format.JSON:
        write_json(plain(live))
        return
    rows = [
        ("alias", live.alias),
        *_bundle_rows(live.live, state=live.state),
        ("standby", live.standby.bundle or "-"),
        ("revision", f"{live.revision} of generation {live.generation}"),
    ]
    write_table(["", ""], rows)


def _bundle_rows(bundle: ServingBundle, *, state: int) -> list[tuple[str, object]]:
    return [
        ("bundle", bundle.bundle),
        ("release", bundle.release),
        ("state", enum_name(ReleaseState.DESCRIPTOR, state)),
        ("model", f"{bundle.registered_model} version {bundle.model_version}"),
        ("feature project", bundle.feature_project),
        ("feature service", bundle.feature_service),
        ("pipeline", bundle.pipeline_revision),
        ("sink epoch", bundle.sink_epoch),
    ]


def _write_past(session: Session, alias: str, *, at: datetime, output: Format) -> None:
    request = GetReleaseAtRequest(alias=alias)
    request.time.FromDatetime(at)
    past = session.client.releases.GetReleaseAt(request)
    if output is Format.JSON:
        write_json(plain(past))
        return
    release = past.release
    rows = [
        ("alias", alias),
        *_bundle_rows(past.serving_bundle, state=release.state),
        ("live from", when(timestamp(release.start_time))),
        (
            "live until",
            when(timestamp(release.end_time)) if release.HasField("end_time") else "now",
        ),
        ("by", release.cause.principal or "-"),
        ("reason", release.cause.reason or "-"),
        ("incident", release.cause.incident or "-"),
        ("revision", release.revision),
    ]
    write_table(["", ""], rows)


def watch(
    context: typer.Context,
    alias: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL[@ALIAS]...",
            help="Only these; every alias by default.",
            show_default=False,
        ),
    ] = None,
    *,
    count: Annotated[
        int, typer.Option(min=0, help="End after so many lines; 0 for until ctrl-c.")
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for an alias that nothing was released on yet.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what is live and then every change of it.

    A line each, through every outage of the server, until ctrl-c.
    """
    changes: queue.SimpleQueue[LiveBundle] = queue.SimpleQueue()
    with connected(context) as session:
        names = [session.names.alias(one) for one in alias or []]
        if names:
            _require_released(session, names, wait=wait)
        with (
            until_ctrl_c(),
            Resolver(session.client, names, on_change=changes.put, reports=False),
        ):
            told = 0
            while not count or told < count:
                # Without a timeout a ctrl-c could go unnoticed until the next change.
                with contextlib.suppress(queue.Empty):
                    _write_change(changes.get(timeout=_LISTEN_S), output=output)
                    told += 1


def _require_released(session: Session, names: Sequence[str], *, wait: bool) -> None:
    """Say which of *names* has nothing to show.

    Raises:
        UsageError: There is one, and it is not to be waited for.
    """
    try:
        known = all_aliases(session)
    except TrilockError:
        return  # it is watched through outages, and by who may do no more than that
    nothing = [name for name in names if name not in known]
    if nothing and wait:
        told = ", ".join(short_alias(name) for name in nothing)
        say(f"nothing was ever released on {told}; waiting for it")
    elif nothing:
        raise UsageError(f"{nothing_released(session, nothing)}; --wait waits for it")


def _write_change(live: LiveBundle, *, output: Format) -> None:
    if output is Format.JSON:
        data = {**live.to_json(), "serving_config": live.serving_config}
        write_json_line(data)
        return
    why = f": {live.reason}" if live.reason else ""
    write(
        clean(
            f"{live.revision}  {short_alias(live.alias)}  bundle {last(live.bundle)}  {live.state}"
            f"  by {live.principal}{why}"
        )
    )
