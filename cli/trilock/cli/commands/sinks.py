"""sinks register, list, show; what releases wrote to them is in receipts.py."""

from typing import Annotated

import typer

from trilock.cli.commands import receipts
from trilock.cli.input.options import DryRun, ModelFilter, Output
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.streams import Format, say, write_json, write_table
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, pages
from trilock.v1.sink_pb2 import Sink
from trilock.v1.sink_service_pb2 import GetSinkRequest, ListSinksRequest, RegisterSinkRequest

_Name = Annotated[
    str,
    typer.Argument(
        metavar="SINK", help="predictions, delay/predictions or models/delay/sinks/predictions."
    ),
]

_NO_UNDO = "unavailable: append-only, and no column trilock_release says which rows are whose"


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(help="The tables that models write to.", no_args_is_help=True)
    group.command("register", cls=Command)(register_sink)
    group.command("list", cls=Command)(list_sinks)
    group.command(cls=Command)(show)
    receipts.register(group)
    app.add_typer(group, name="sinks")


def register_sink(
    context: typer.Context,
    name: _Name,
    *,
    connection: Annotated[str, typer.Option(help="Name of a connection in the settings.")],
    table: Annotated[str, typer.Option(help="table or schema.table, unquoted.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="A key column; may be repeated. None for an append-only table."),
    ] = None,
    live_view: Annotated[
        bool,
        typer.Option(
            "--live-view",
            help="Keep a view TABLE_live: the table with the staged rows of the live release.",
        ),
    ] = False,
    release_column: Annotated[
        bool,
        typer.Option(
            "--release-column",
            help="Add the column trilock_release, without which a finalized release stays in "
            "an append-only table.",
        ),
    ] = False,
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Check a table and register it as a sink."""
    with connected(context) as session:
        request = RegisterSinkRequest(
            name=session.names.sink(name),
            connection=connection,
            table=table,
            keys=key or [],
            validate_only=dry_run,
            live_view=live_view,
            add_release_column=release_column,
        )
        sink = session.client.sinks.RegisterSink(request).sink
    _write(sink, output=output)
    say(f"{request.name} can be registered" if dry_run else f"{sink.name} is registered")


def list_sinks(
    context: typer.Context, model: ModelFilter = None, *, output: Output = Format.TABLE
) -> None:
    """List sinks."""
    with connected(context) as session:
        request = ListSinksRequest(model=model or "")
        found: list[Sink] = pages(session.client.sinks.ListSinks, request, items="sinks")
        if not found:
            session.names.require(model)
    if output is Format.JSON:
        write_json([plain(sink) for sink in found])
        return
    rows = [
        (
            f"{sink.name.split('/')[1]}/{last(sink.name)}",
            sink.connection,
            sink.table,
            ", ".join(sink.keys) or "append-only",
            sink.creator,
            when(moment(sink.create_time)),
        )
        for sink in found
    ]
    write_table(["sink", "connection", "table", "keys", "by", "registered"], rows)


def show(context: typer.Context, name: _Name, *, output: Output = Format.TABLE) -> None:
    """Show a sink and its columns."""
    with connected(context) as session:
        request = GetSinkRequest(name=session.names.sink(name))
        sink = session.client.sinks.GetSink(request).sink
    _write(sink, output=output)


def _write(sink: Sink, *, output: Format) -> None:
    if output is Format.JSON:
        write_json(plain(sink))
        return
    write_table(
        ["", ""],
        [
            ("sink", sink.name),
            ("connection", sink.connection),
            ("table", sink.table),
            ("keys", ", ".join(sink.keys) or "append-only"),
            ("undo after finalize", "yes" if sink.undoable else _NO_UNDO),
            *([("live view", sink.live_view)] if sink.live_view else []),
        ],
    )
    rows = [
        (column.name, column.type, "yes" if column.nullable else "no") for column in sink.columns
    ]
    write_table(["column", "type", "nullable"], rows)
