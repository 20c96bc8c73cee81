"""resolve, watch: what serving processes are told."""

import contextlib
import queue
from typing import Annotated, Final

import typer

from trilock.cli.options import AliasArgument, Output
from trilock.cli.output import Format, clean, write, write_json, write_json_line, write_table
from trilock.cli.plain import enum_name, plain
from trilock.cli.reporting import Command
from trilock.cli.session import connected
from trilock.cli.words import last
from trilock.client import LiveBundle, Resolver
from trilock.client.names import short_alias
from trilock.v1.release_pb2 import ReleaseState
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
    output: Output = Format.TABLE,
) -> None:
    """Show the bundle that serves now."""
    with connected(context) as session:
        request = ResolveRequest(alias=session.names.alias(alias), min_revision=min_revision)
        live = session.client.serving.Resolve(request).live_bundle
    if output is Format.JSON:
        write_json(plain(live))
        return
    rows = [
        ("alias", live.alias),
        ("bundle", live.live.bundle),
        ("release", live.live.release),
        ("state", enum_name(ReleaseState.DESCRIPTOR, live.state)),
        ("model", f"{live.live.registered_model} version {live.live.model_version}"),
        ("feature project", live.live.feature_project),
        ("feature service", live.live.feature_service),
        ("pipeline", live.live.pipeline_revision),
        ("sink epoch", live.live.sink_epoch),
        ("standby", live.standby.bundle or "-"),
        ("revision", f"{live.revision} of generation {live.generation}"),
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
    output: Output = Format.TABLE,
) -> None:
    """Show what is live and then every change of it.

    A line each, through every outage of the server, until ctrl-c.
    """
    changes: queue.SimpleQueue[LiveBundle] = queue.SimpleQueue()
    with connected(context) as session:
        names = [session.names.alias(one) for one in alias or []]
        with Resolver(session.client, names, on_change=changes.put):
            told = 0
            while not count or told < count:
                # Without a timeout a ctrl-c could go unnoticed until the next change.
                with contextlib.suppress(queue.Empty):
                    _write_change(changes.get(timeout=_LISTEN_S), output=output)
                    told += 1


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
