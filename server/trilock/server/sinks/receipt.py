"""The receipt of one epoch: which rows it wrote, when, and what became of them.

It is exact because nothing in it is a log that could lack an entry: the image
has one row for each key that was ever written, in the transaction that wrote it.
"""

# What is formatted into statements is identifiers, quoted by the dialect.
# ruff: noqa: S608

from collections.abc import Iterator, Sequence
from typing import Final

from trilock.client.sinks.apart import apart_condition, apart_source, stream_apart
from trilock.client.sinks.layout import RELEASE_COLUMN, EpochState, ImageMode, Shape
from trilock.client.sinks.session import Dialect, Row, Session
from trilock.client.sinks.statements import Fragments
from trilock.server.domain.receipt import RowState, WrittenBatches, WrittenRow
from trilock.server.sinks.fences import Fence

_OTHERS: Final = 20
"""How many other epochs are asked whether a row is theirs; the newest first."""


def read_totals(session: Session, *, sink: str, epoch: int) -> WrittenBatches:
    """Return the batches of the epoch, together."""
    dialect = session.dialect
    direct = f"CASE WHEN mode = '{EpochState.DIRECT}' THEN rows ELSE 0 END"
    ((batches, rows, direct_rows, first, last),) = session.rows(
        f"SELECT count(*), CAST(coalesce(sum(rows), 0) AS bigint), "
        f"CAST(coalesce(sum({direct}), 0) AS bigint), "
        f"{dialect.moment('min(written)')}, {dialect.moment('max(written)')} "
        f"FROM {dialect.own('batch')} "
        f"WHERE sink = {dialect.param('sink')} AND epoch = {dialect.param('epoch')}",
        {"sink": sink, "epoch": epoch},
    )
    return WrittenBatches(
        batches=batches, rows=rows, direct_rows=direct_rows, first=first, last=last
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
    source = apart_source(session.dialect, shape, fence.progress)
    apart = session.rows(f"SELECT count(*) {source[0]}", source[1])[0][0] if source else 0
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
    """Yield the rows, in key order. In a transaction.

    Args:
        session: The connection.
        fence: The fence of the epoch.
        others: Other epochs of the table, the newest first.
    """
    if fence.shape is None:
        return
    if not fence.shape.keys:
        yield from _stream_appended(session, fence, fence.shape)
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


def _stream_appended(session: Session, fence: Fence, shape: Shape) -> Iterator[WrittenRow]:
    """Yield the rows that the release column or the staging table tells from all others."""
    for row in stream_apart(session, shape, fence.progress):
        yield _appended(row, RowState.APART)
    if RELEASE_COLUMN not in shape.names:
        return
    f = Fragments(session.dialect, shape)
    order = ", ".join(str(n + 1) for n in range(len(shape.names)))
    own = f"t.{session.dialect.quote(RELEASE_COLUMN)} = {session.dialect.param('release')}"
    query = f"SELECT {f.names('t')} FROM {f.table} t WHERE {own} ORDER BY {order}"
    for row in session.stream(query, {"release": shape.release}):
        yield _appended(row, RowState.PRESENT)


def _appended(row: Row, state: RowState) -> WrittenRow:
    return WrittenRow(key=row, state=state, batch_id="", written="", replaced_by=None)


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
    apart = apart_condition(f, merged=param("merged"), undone=param("undone"))
    state = (
        f"CASE WHEN b.{f.mode} = '{ImageMode.KEPT}' THEN '{RowState.KEPT}' "
        f"WHEN {apart} THEN '{RowState.APART}' WHEN {f.absent} THEN '{RowState.GONE}' "
        f"WHEN {f.same('t', 's')} THEN '{RowState.PRESENT}' ELSE '{RowState.REPLACED}' END"
    )
    theirs = " ".join(_is_theirs(f, epoch=epoch, shape=shape) for epoch, shape in others)
    replaced_by = (
        # Whatever is there instead of a row that was never there replaced nothing.
        f"CASE WHEN b.{f.mode} <> '{ImageMode.KEPT}' AND {apart} THEN NULL "
        f"WHEN {f.absent} OR {f.same('t', 's')} THEN NULL {theirs} END"
        if theirs
        else "NULL"
    )
    return (
        f"SELECT {f.keys('b')}, {state} AS state, coalesce(n.batch_id, ''), "
        f"coalesce({f.dialect.moment('n.written')}, ''), "
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
