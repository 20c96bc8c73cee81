"""How much an epoch holds apart from the table, counted and digested."""

# What is formatted into statements is identifiers, quoted by the dialect.

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from trilock.client.sinks.apart import apart_source, stream_apart
from trilock.client.sinks.session import Row, Session
from trilock.server.domain.sink import StagedCount, StagedRows
from trilock.server.sinks.fences import Fence

NONE_STAGED = StagedRows(rows=0, first_key=None, last_key=None, digest=hashlib.sha256().hexdigest())


def staged_rows(session: Session, fence: Fence) -> StagedRows:
    """Return how many rows the epoch holds apart, and their digest. In a transaction."""
    if fence.shape is None:
        return NONE_STAGED
    key_at = [fence.shape.names.index(key) for key in fence.shape.keys]
    count, first, last, digest = 0, None, None, hashlib.sha256()
    for row in stream_staged(session, fence):
        count += 1
        digest.update(repr(row).encode() + b"\n")
        if key_at:
            last = row
            first = first or row
    return StagedRows(
        rows=count,
        first_key=_key(first, key_at),
        last_key=_key(last, key_at),
        digest=digest.hexdigest(),
    )


def count_staged(session: Session, fence: Fence) -> StagedCount:
    """Return how many rows the epoch holds apart. In a transaction."""
    if fence.shape is None:
        return StagedCount(rows=0)
    source = apart_source(session.dialect, fence.shape, fence.progress)
    if source is None:
        return StagedCount(rows=0)
    ((rows,),) = session.rows(f"SELECT count(*) {source[0]}", source[1])
    return StagedCount(rows=int(rows))


def stream_staged(session: Session, fence: Fence) -> Iterator[Row]:
    """Yield the rows that the epoch holds apart, in key order. In a transaction."""
    if fence.shape is not None:
        yield from stream_apart(session, fence.shape, fence.progress)


def _key(row: Row | None, at: list[int]) -> str | None:
    return None if row is None else json.dumps([row[n] for n in at], default=_text)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the driver makes of the column's type
    return value.hex() if isinstance(value, bytes) else str(value)
