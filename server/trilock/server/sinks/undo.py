"""Undo: the rows of a closed epoch leave the table again, range by range.

A row is the epoch's own while it equals the staging row to the last bit. Such
a row is put back to what the image says; any other was written by somebody
since, and is left. Each range is one transaction that notes how far it is.
"""

# What is formatted into statements is identifiers, quoted by the dialect.
# ruff: noqa: S608

from trilock.client.sinks.layout import RELEASE_COLUMN, ImageMode, Shape
from trilock.client.sinks.session import Dialect, Session
from trilock.client.sinks.statements import Fragments
from trilock.server.domain.sink import UndoCounts
from trilock.server.sinks.fences import Fences
from trilock.server.sinks.merge import Checkpoint


class UndoUnavailableError(Exception):
    """Nothing in the table says which rows are the epoch's."""


class UndoSql:
    """The statements of one range: image rows in (`low`, `high`] that are in the table."""

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        f = Fragments(dialect, shape)
        low, high, size, merged = map(dialect.param, ("low", "high", "size", "merged_through"))
        quote = dialect.quote
        applied = (
            f"(b.{f.mode} = '{ImageMode.DIRECT}' "
            f"OR b.{f.mode} = '{ImageMode.STAGED}' AND b.{f.seq} <= {merged})"
        )
        ranged = f"b.{f.seq} > {low} AND b.{f.seq} <= {high} AND {applied}"
        key = ", ".join(quote(name) for name in shape.keys)

        self.range = (
            f"SELECT max(n), count(*) FROM (SELECT b.{f.seq} AS n FROM {f.image} b "
            f"WHERE b.{f.seq} > {low} AND {applied} ORDER BY b.{f.seq} LIMIT {size}) r"
        )
        self.lock = (
            f"SELECT count(*) FROM (SELECT 1 FROM {f.table} t JOIN {f.image} b "
            f"ON {f.on('t', 'b')} WHERE {ranged} ORDER BY b.{f.seq} "
            f"{dialect.lock_rows('t')}) locked"
        )
        self.leave = (
            f"UPDATE {f.image} AS b SET {f.mode} = '{ImageMode.LEFT}' WHERE {ranged} "
            f"AND NOT EXISTS (SELECT 1 FROM {f.table} t JOIN {f.staging} s ON {f.on('s', 't')} "
            f"WHERE {f.on('t', 'b')} AND {f.same('t', 's')})"
        )
        self.restore = (
            f"UPDATE {f.table} AS t SET {f.assign('b')} FROM {f.image} b "
            f"WHERE {f.on('t', 'b')} AND {ranged} AND b.{f.existed} = 1"
        )
        self.remove = (
            f"DELETE FROM {f.table} WHERE ({key}) IN (SELECT {f.keys('b')} FROM {f.image} b "
            f"WHERE {ranged} AND b.{f.existed} = 0)"
        )


def undo_range(session: Session, fences: Fences, *, size: int, checkpoint: Checkpoint) -> bool:
    """Undo the next *size* keys, in the caller's transaction; return whether that was all.

    Raises:
        UndoUnavailableError: The sink is append-only and has no release column.
    """
    fence = fences.read(lock=True)
    if fence is None or fence.shape is None or fence.undone:
        return True
    checkpoint("undo:locked")
    if fence.shape.image is None:
        if fence.merged_through or fences.wrote_directly():
            removed = _take_out(session, fence.shape)
            checkpoint("undo:taken_out")
            fences.note_undo(through=1, add=UndoCounts(removed=removed, restored=0, kept=0))
        fences.finish_undo()
        return True

    sql = UndoSql(session.dialect, fence.shape)
    params = {"low": fence.undone_through, "merged_through": fence.merged_through}
    ((high, applied),) = session.rows(sql.range, {**params, "size": size})
    if applied:
        params["high"] = high
        session.rows(sql.lock, params)
        kept = session.execute(sql.leave, params)
        restored = session.execute(sql.restore, params)
        removed = session.execute(sql.remove, params)
        checkpoint("undo:undone")
        fences.note_undo(
            through=high, add=UndoCounts(removed=removed, restored=restored, kept=kept)
        )
    complete = bool(applied < size)
    if complete:
        fences.finish_undo()
    checkpoint("undo:noted")
    return complete


def _take_out(session: Session, shape: Shape) -> int:
    """Move the rows that bear the release's name from the table to the staging table."""
    if RELEASE_COLUMN not in shape.names:
        raise UndoUnavailableError
    f = Fragments(session.dialect, shape)
    own = f"{session.dialect.quote(RELEASE_COLUMN)} = {session.dialect.param('release')}"
    release = {"release": shape.release}
    # What was staged once is in the table too, unless somebody deleted it there.
    session.execute(f"DELETE FROM {f.staging}")
    session.execute(
        f"INSERT INTO {f.staging} ({f.names()}) SELECT {f.names()} FROM {f.table} WHERE {own}",
        release,
    )
    return session.execute(f"DELETE FROM {f.table} WHERE {own}", release)
