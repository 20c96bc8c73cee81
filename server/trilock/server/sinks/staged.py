"""What an epoch holds apart from the table: staged, not merged, or taken out again."""

# What is formatted into statements is identifiers, quoted by the dialect.

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from trilock.client.sinks.layout import ImageMode
from trilock.client.sinks.session import NO_PARAMS, Params, Row, Session
from trilock.client.sinks.statements import Fragments
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
    source = _held_apart(session, fence)
    if fence.shape is None or source is None:
        return StagedCount(rows=0)
    ((rows,),) = session.rows(f"SELECT count(*) {source[0]}", source[1])
    return StagedCount(rows=int(rows))


def stream_staged(session: Session, fence: Fence) -> Iterator[Row]:
    """Yield the rows that the epoch holds apart, in key order. In a transaction."""
    shape, source = fence.shape, _held_apart(session, fence)
    if shape is None or source is None:
        return
    f = Fragments(session.dialect, shape)
    # Without keys rows are ordered by all of their columns.
    columns = ", ".join(str(n + 1) for n in range(len(shape.names)))
    order = columns if shape.image is None else f.keys("s")
    yield from session.stream(f"SELECT {f.names('s')} {source[0]} ORDER BY {order}", source[1])


def _held_apart(session: Session, fence: Fence) -> tuple[str, Params] | None:
    """Return `FROM ... WHERE ...` over the rows held apart, as `s`; None if there are none."""
    shape = fence.shape
    if shape is None:
        return None
    f = Fragments(session.dialect, shape)
    if shape.image is None:
        if fence.merged_through and not fence.undone:
            return None
        return f"FROM {f.staging} s", NO_PARAMS
    param = session.dialect.param
    source = (
        f"FROM {f.staging} s JOIN {f.image} b ON {f.on('s', 'b')} "
        f"WHERE {held_apart(f, merged=param('merged'), undone=param('undone'))}"
    )
    return source, {"merged": fence.merged_through, "undone": fence.undone_through}


def held_apart(f: Fragments, *, merged: str, undone: str) -> str:
    """Return the condition that the epoch's row of an image row `b` is not in the table."""
    staged, kept, left = ImageMode.STAGED, ImageMode.KEPT, ImageMode.LEFT
    return (
        f"(b.{f.mode} = '{kept}' OR b.{f.mode} = '{staged}' AND b.{f.seq} > {merged} "
        f"OR b.{f.mode} <> '{left}' AND b.{f.seq} <= {undone})"
    )


def _key(row: Row | None, at: list[int]) -> str | None:
    return None if row is None else json.dumps([row[n] for n in at], default=_text)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever the driver makes of the column's type
    return value.hex() if isinstance(value, bytes) else str(value)
