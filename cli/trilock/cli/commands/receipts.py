"""sinks receipt, quarantine, purge."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration

from trilock.cli.exits import CommandError, Exit, UsageError
from trilock.cli.input.options import DryRun, ModelFilter, Output
from trilock.cli.output.plain import enum_name, moment, plain
from trilock.cli.output.streams import Format, clean, say, write_json, write_json_line, write_table
from trilock.cli.output.words import count, last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import Session, connected
from trilock.v1.receipt_pb2 import Receipt, ReceiptRow, ReceiptRowState
from trilock.v1.sink_service_pb2 import (
    GetReceiptRequest,
    ListQuarantinedRowsRequest,
    ListReceiptRowsRequest,
    PurgeReceiptsRequest,
)


class ReceiptFormat(StrEnum):
    """How a receipt is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    SQL = "sql"


class RowsFormat(StrEnum):
    """How rows are written."""

    JSON = "json"
    CSV = "csv"


_Release = Annotated[
    str, typer.Argument(metavar="RELEASE", help="4, delay/4 or models/delay/releases/4.")
]
_Sink = Annotated[
    str | None, typer.Option(metavar="SINK", help="Only this sink.", show_default=False)
]


def register(group: typer.Typer) -> None:
    """Add the commands to *group*."""
    group.command(cls=Command)(receipt)
    group.command(cls=Command)(quarantine)
    group.command(cls=Command)(purge)


def receipt(
    context: typer.Context,
    release: _Release,
    *,
    sink: _Sink = None,
    output: Annotated[
        ReceiptFormat,
        typer.Option(
            "--output",
            "-o",
            help="table has the numbers, json and csv every row, sql what to backfill.",
        ),
    ] = ReceiptFormat.TABLE,
) -> None:
    """Say which rows a release wrote, and where they are now."""
    with connected(context) as session:
        receipts = _receipts(session, release, sink=sink)
        match output:
            case ReceiptFormat.TABLE:
                _write_numbers(receipts)
            case ReceiptFormat.SQL:
                _write_sql(receipts)
            case ReceiptFormat.JSON:
                _write_rows_json(session, release, receipts)
            case ReceiptFormat.CSV:
                _write_rows_csv(session, release, receipts)
    _end(receipts)


def quarantine(
    context: typer.Context,
    release: _Release,
    *,
    sink: _Sink = None,
    output: Annotated[
        RowsFormat, typer.Option("--output", "-o", help="json has one row a line.")
    ] = RowsFormat.JSON,
) -> None:
    """Export the rows of a release that are not in the table."""
    with connected(context) as session:
        receipts = _receipts(session, release, sink=sink)
        told = [each for each in receipts if not each.error]
        if len(told) > 1 and output is RowsFormat.CSV:
            names = ", ".join(last(each.sink) for each in told)
            raise UsageError(f"one table a file: say --sink, one of {names}")
        for each in told:
            rows = _quarantined(session, release, sink=each.sink)
            if output is RowsFormat.CSV:
                _write_csv_objects(rows)
                continue
            for row in rows:
                write_json_line(row if len(receipts) == 1 else {"sink": each.sink, "row": row})
    _end(receipts)


def purge(
    context: typer.Context,
    model: ModelFilter = None,
    *,
    release: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE",
            help="Only this one, whenever it ended; 4, delay/4 or models/delay/releases/4.",
            show_default=False,
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS",
            min=0,
            help="What ended so long ago; by default keep_days of the server's settings.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete, not only say what.")] = False,
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Delete what sinks keep of releases that ended.

    Their rows in quarantine, and the rows that theirs had replaced: what was purged
    has no receipt any more, and cannot be undone.
    """
    with connected(context) as session:
        request = PurgeReceiptsRequest(
            model=model or "",
            release=session.names.release(release, model=model) if release else "",
            validate_only=dry_run or not yes,
        )
        if older_than is not None:
            request.older_than.CopyFrom(Duration(seconds=round(older_than * 86_400)))
        purged = session.client.sinks.PurgeReceipts(request).purged
        if not purged:
            session.names.require(model)
    if output is Format.JSON:
        write_json([plain(each) for each in purged])
    else:
        write_table(
            ["release", "sink", ""],
            [(each.release, last(each.sink), each.error or "") for each in purged],
        )
    if request.validate_only:
        say(f"{count(len(purged), 'receipt')} would be purged" + ("" if yes else ": say --yes"))
        return
    failed = [each for each in purged if each.error]
    say(f"{count(len(purged) - len(failed), 'receipt')} purged")
    if failed:
        raise CommandError(
            f"{count(len(failed), 'receipt')} could not be purged now", code=Exit.ERROR
        )


def _receipts(session: Session, release: str, *, sink: str | None) -> Sequence[Receipt]:
    name = session.names.release(release)
    request = GetReceiptRequest(
        release=name,
        sink=session.names.sink(sink, model=name.split("/")[1]) if sink else "",
    )
    return tuple(session.client.sinks.GetReceipt(request).receipts)


def _end(receipts: Sequence[Receipt]) -> None:
    """Say what is missing, and end with an error if something is.

    Raises:
        CommandError: A sink could not say.
    """
    if not receipts:
        say("the release had no sink to write to")
    for each in receipts:
        if each.uncounted:
            say(clean(f"{last(each.sink)}: {each.uncounted}"))
    missing = [f"{last(each.sink)}: {each.error}" for each in receipts if each.error]
    if missing:
        raise CommandError("\n".join(missing), code=Exit.ERROR)


def _write_numbers(receipts: Sequence[Receipt]) -> None:
    rows = []
    for each in receipts:
        counts = {_state(found.state): found.rows for found in each.counts}
        numbers = [
            "?" if each.error or each.uncounted else f"{counts.get(state, 0):,}"
            for state in _STATES
        ]
        rows.append(
            (
                last(each.sink),
                f"{each.table} of {each.connection}",
                each.state or "?",
                count(each.batch_rows, "row"),
                when(moment(each.last_write_time)),
                *numbers,
            )
        )
    write_table(
        ["sink", "table", "fence", "written", "last", *(state.lower() for state in _STATES)], rows
    )


def _write_sql(receipts: Sequence[Receipt]) -> None:
    for each in receipts:
        if not each.error:
            sys.stdout.write(f"-- {each.sink}: {each.table} of {each.connection}\n")
            sys.stdout.write(f"{each.backfill_sql or '-- nothing was written'};\n")


def _write_rows_json(session: Session, release: str, receipts: Sequence[Receipt]) -> None:
    # Row by row: a receipt can have millions.
    sys.stdout.write("[")
    for at, each in enumerate(receipts):
        head = json.dumps(plain(each), ensure_ascii=False)
        sys.stdout.write(f'{"," if at else ""}\n{head[:-1]}, "rows": [')
        for number, row in enumerate(_rows(session, release, each)):
            form = {
                "key": dict(zip(each.columns, json.loads(row.key), strict=True)),
                **{name: value for name, value in plain(row).items() if name != "key"},
            }
            line = json.dumps(form, ensure_ascii=False)
            sys.stdout.write(f"{',' if number else ''}\n  {line}")
        sys.stdout.write("]}")
    sys.stdout.write("\n]\n")


def _write_rows_csv(session: Session, release: str, receipts: Sequence[Receipt]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["sink", "key", "state", "batch", "written", "replaced_by"])
    for each in receipts:
        for row in _rows(session, release, each):
            form = plain(row)
            writer.writerow(
                [
                    each.sink,
                    row.key,
                    form["state"],
                    row.batch_id,
                    form["write_time"] or "",
                    row.replaced_by,
                ]
            )


def _rows(session: Session, release: str, each: Receipt) -> Iterator[ReceiptRow]:
    if each.error:
        return
    request = ListReceiptRowsRequest(release=session.names.release(release), sink=each.sink)
    for response in session.client.sinks.ListReceiptRows(request):
        yield from response.rows


def _quarantined(session: Session, release: str, *, sink: str) -> Iterator[dict[str, Any]]:
    request = ListQuarantinedRowsRequest(release=session.names.release(release), sink=sink)
    for response in session.client.sinks.ListQuarantinedRows(request):
        yield from map(json.loads, response.rows)


def _write_csv_objects(rows: Iterable[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if not number:
            writer.writerow(row)
        writer.writerow(
            json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
            for value in row.values()
        )


def _state(number: int) -> str:
    return enum_name(ReceiptRowState.DESCRIPTOR, number)


_STATES = tuple(_state(value.number) for value in ReceiptRowState.DESCRIPTOR.values[1:])
