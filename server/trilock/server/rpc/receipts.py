"""Receipts as messages, and values of sinks as JSON that loses nothing."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from trilock.server.rpc.convert.fields import timestamp
from trilock.server.usecases.sink_receipts import ReceiptRow, SinkReceipt
from trilock.server.watching.purger import Purged
from trilock.v1 import receipt_pb2, sink_service_pb2

_UNCOUNTED = (
    "it is append-only and has no release column: nothing tells which rows of the table are "
    "this release's"
)
_EXACT = 2**53
"""Up to here every whole number is a JSON number of its own."""


def receipt_to_proto(found: SinkReceipt) -> receipt_pb2.Receipt:
    """Return the message of a receipt."""
    message = receipt_pb2.Receipt(
        sink=str(found.sink.ref),
        connection=found.sink.connection,
        table=found.sink.table,
        epoch=found.epoch,
        state="" if found.state is None else found.state.value,
        error=found.error,
    )
    receipt = found.receipt
    if receipt is None:
        return message
    written = receipt.written
    message.MergeFrom(
        receipt_pb2.Receipt(
            columns=receipt.columns,
            batches=written.batches,
            batch_rows=written.rows,
            first_write_time=_moment(written.first),
            last_write_time=_moment(written.last),
            counts=[
                receipt_pb2.ReceiptCount(state=_state(state.value), rows=rows)
                for state, rows in sorted((receipt.rows or {}).items())
            ],
            uncounted=_UNCOUNTED if receipt.rows is None else "",
            backfill_sql=receipt.backfill_sql,
        )
    )
    return message


def row_to_proto(found: ReceiptRow) -> receipt_pb2.ReceiptRow:
    """Return the message of one row."""
    row = found.row
    return receipt_pb2.ReceiptRow(
        key=_json([_plain(value) for value in row.key]),
        state=_state(row.state.value),
        batch_id=row.batch_id,
        write_time=_moment(row.written),
        replaced_by=found.replaced_by,
    )


def row_to_json(row: Mapping[str, Any]) -> str:
    """Return the row as a JSON object."""
    return _json({name: _plain(value) for name, value in row.items()})


def purged_to_proto(purged: Purged) -> sink_service_pb2.PurgedReceipt:
    """Return the message of one release in one sink."""
    return sink_service_pb2.PurgedReceipt(
        release=str(purged.release), sink=str(purged.sink), error=purged.error
    )


def _state(name: str) -> Any:  # noqa: ANN401 - an enum value, which has no type of its own
    return receipt_pb2.ReceiptRowState.Value(f"RECEIPT_ROW_STATE_{name}")


# A batch has one time, and many rows.
@lru_cache(maxsize=1000)
def _moment(text: str | None) -> Any:  # noqa: ANN401 - a Timestamp or None
    return timestamp(datetime.fromisoformat(text)) if text else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever the driver makes of the column's type
    result = value
    match value:
        case None | bool() | str():
            pass
        case int() if abs(value) <= _EXACT:
            pass
        case float() if math.isfinite(value):
            pass
        case datetime() | date() | time():
            result = value.isoformat()
        case bytes():
            result = value.hex()
        case list() | tuple():
            result = [_plain(item) for item in value]
        case dict():
            result = {str(name): _plain(item) for name, item in value.items()}
        case _:
            result = str(value)
    return result
