"""The receipt of one epoch: which rows it wrote, when, and what became of them.

It is exact because nothing in it is a log that could lack an entry: the image
has one row for each key that was ever written, in the transaction that wrote it.
"""

# What is formatted into statements is identifiers, quoted by the dialect.
# ruff: noqa: S608

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from trilock.client.sinks.layout import RELEASE_COLUMN, ImageMode, Shape
from trilock.client.sinks.session import Dialect, Session
from trilock.client.sinks.statements import Fragments
from trilock.server.sinks.fences import Fence
from trilock.server.sinks.staged import held_apart

_OTHERS: Final = 20
"""How many other epochs are asked whether a row is theirs; the newest first."""


class RowState(StrEnum):
    """What became of a row that the epoch wrote."""

    APART = "APART"
    """It is not in the table: staged, in quarantine, or taken out again."""
    KEPT = "KEPT"
    """It is not in the table, since somebody else had written the key first."""
    PRESENT = "PRESENT"
    """It is in the table, as the epoch wrote it."""
    REPLACED = "REPLACED"
    """It was in the table; now there is another row of the same key."""
    GONE = "GONE"
    """It was in the table; now there is no row of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBatch:
    """One batch of the epoch."""

    batch_id: str
    rows: int
    direct: bool
    """Whether it went to the table itself."""
    written: str
    """When, by the database's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRow:
    """One row that the epoch wrote, under its last content."""

    key: tuple[Any, ...]
    state: RowState
    batch_id: str
    """The batch that wrote it last."""
    written: str
    replaced_by: int | None
    """The epoch of the same sink whose row is there instead, if it is one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one epoch put where, in numbers."""

    batches: tuple[WrittenBatch, ...]
    rows: dict[RowState, int] | None
    """None where nothing tells: an append-only table without a release column."""


def read_batches(session: Session, *, sink: str, epoch: int) -> tuple[WrittenBatch, ...]:
    """Return the batches of the epoch, oldest first."""
    dialect = session.dialect
    found = session.rows(
        f"SELECT batch_id, rows, mode, CAST(written AS text) FROM {dialect.own('batch')} "
        f"WHERE sink = {dialect.param('sink')} AND epoch = {dialect.param('epoch')} "
        "ORDER BY number",
        {"sink": sink, "epoch": epoch},
    )
    return tuple(
        WrittenBatch(batch_id=name, rows=rows, direct=mode == "DIRECT", written=written)
        for name, rows, mode, written in found
    )


def count_rows(session: Session, fence: Fence, *, direct: bool) -> dict[RowState, int] | None:
    """Return how many rows of the epoch, which wrote *direct* or not, are in which state."""
    shape = fence.shape
    if shape is None:
        return {}
    f = Fragments(session.dialect, shape)
    if shape.keys:
        counted = session.rows(
            f"SELECT state, count(*) FROM ({_rows_sql(f, others=())}) written GROUP BY state",
            _bounds(fence),
        )
        return {RowState(state): count for state, count in counted}
    if fence.undone or not fence.merged_through:
        ((apart,),) = session.rows(f"SELECT count(*) FROM {f.staging}")
    else:
        apart = 0
    if RELEASE_COLUMN not in shape.names:
        return None if fence.merged_through or direct else _some({RowState.APART: apart})
    ((present,),) = session.rows(
        f"SELECT count(*) FROM {f.table} WHERE {session.dialect.quote(RELEASE_COLUMN)} = "
        f"{session.dialect.param('release')}",
        {"release": shape.release},
    )
    return _some({RowState.APART: apart, RowState.PRESENT: present})


def stream_rows(
    session: Session, fence: Fence, *, others: Sequence[tuple[int, Shape]]
) -> Iterator[WrittenRow]:
    """Yield the rows of a sink with keys, in key order. In a transaction.

    Args:
        session: The connection.
        fence: The fence of the epoch.
        others: Other epochs of the table, the newest first.
    """
    if fence.shape is None or not fence.shape.keys:
        return
    f = Fragments(session.dialect, fence.shape)
    order = ", ".join(str(n + 1) for n in range(len(fence.shape.keys)))
    sql = f"{_rows_sql(f, others=others[:_OTHERS])} ORDER BY {order}"
    for *key, state, batch_id, written, replaced_by in session.stream(sql, _bounds(fence)):
        yield WrittenRow(
            key=tuple(key),
            state=RowState(state),
            batch_id=batch_id,
            written=written,
            replaced_by=replaced_by,
        )


def backfill_sql(dialect: Dialect, shape: Shape) -> str:
    """Return a query for the keys that the epoch ever wrote: what a backfill has to redo."""
    f = Fragments(dialect, shape)
    if shape.keys:
        query = f"SELECT {f.keys('b')} FROM {f.image} b ORDER BY {f.keys('b')}"
    else:
        query = f"SELECT {f.names('s')} FROM {f.staging} s"
    # The dialect doubles percent signs for its driver; this is for people.
    return query.replace("%%", "%")


def _some(counts: dict[RowState, int]) -> dict[RowState, int]:
    return {state: count for state, count in counts.items() if count}


def _bounds(fence: Fence) -> dict[str, int]:
    return {"merged": fence.merged_through, "undone": fence.undone_through}


def _rows_sql(f: Fragments, *, others: Sequence[tuple[int, Shape]]) -> str:
    param = f.dialect.param
    apart = held_apart(f, merged=param("merged"), undone=param("undone"))
    state = (
        f"CASE WHEN b.{f.mode} = '{ImageMode.KEPT}' THEN '{RowState.KEPT}' "
        f"WHEN {apart} THEN '{RowState.APART}' WHEN {f.absent} THEN '{RowState.GONE}' "
        f"WHEN {f.same('t', 's')} THEN '{RowState.PRESENT}' ELSE '{RowState.REPLACED}' END"
    )
    theirs = " ".join(_is_theirs(f, epoch=epoch, shape=shape) for epoch, shape in others)
    replaced_by = (
        f"CASE WHEN {f.absent} OR {f.same('t', 's')} THEN NULL {theirs} END" if theirs else "NULL"
    )
    return (
        f"SELECT {f.keys('b')}, {state} AS state, n.batch_id, CAST(n.written AS text), "
        f"{replaced_by} FROM {f.image} b JOIN {f.staging} s ON {f.on('s', 'b')} "
        f"LEFT JOIN {f.table} t ON {f.on('t', 'b')} "
        f"LEFT JOIN {f.dialect.own('batch')} n ON n.number = b.{f.batch}"
    )


def _is_theirs(f: Fragments, *, epoch: int, shape: Shape) -> str:
    other = f.dialect.relation(shape.staging)
    return (
        f"WHEN EXISTS (SELECT 1 FROM {other} o WHERE {f.on('o', 't')} "
        f"AND {f.same('t', 'o')}) THEN {epoch}"
    )
