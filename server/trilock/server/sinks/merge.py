"""Merge: staged rows go into the table, range by range.

Each range of keys is one transaction that holds the fence and notes how far
the merge is, so it can stop anywhere and go on from there. What the table
held before is in the image already: the writer captured it when it staged the
key. A key whose row is not that any more was written by somebody else since;
it is kept as it is.
"""

# What is formatted into statements is identifiers, quoted by the dialect.
# ruff: noqa: S608

from collections.abc import Callable
from typing import Final

from trilock.client.sinks.layout import EpochState, ImageMode, Shape
from trilock.client.sinks.session import ConflictError, Dialect, Session
from trilock.client.sinks.statements import Fragments
from trilock.server.domain.sink import MergeCounts
from trilock.server.sinks.fences import Fences

Checkpoint = Callable[[str], None]
"""Named crash site. Does nothing in production; tests raise from it."""

_NOTHING: Final = MergeCounts(merged=0, replaced=0, kept=0)


class MergeStoppedError(Exception):
    """The fence was closed while the epoch was merged."""


class MergeSql:
    """The statements of one range: image rows in (`low`, `high`]."""

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        f = Fragments(dialect, shape)
        low, high, size = map(dialect.param, ("low", "high", "size"))
        staged = f"b.{f.mode} = '{ImageMode.STAGED}'"
        ranged = f"b.{f.seq} > {low} AND b.{f.seq} <= {high} AND {staged}"
        row = f"SELECT 1 FROM {f.table} t WHERE {f.on('t', 'b')}"
        keep = f"UPDATE {f.image} AS b SET {f.mode} = '{ImageMode.KEPT}' WHERE {ranged} AND "

        self.range = (
            "SELECT max(n), count(*), coalesce(sum(existed), 0) FROM "
            f"(SELECT b.{f.seq} AS n, b.{f.existed} AS existed FROM {f.image} b "
            f"WHERE b.{f.seq} > {low} AND {staged} ORDER BY b.{f.seq} LIMIT {size}) r"
        )
        self.lock = (
            f"SELECT count(*) FROM (SELECT 1 FROM {f.table} t JOIN {f.image} b "
            f"ON {f.on('t', 'b')} WHERE {ranged} ORDER BY b.{f.seq} "
            f"{dialect.lock_rows('t')}) locked"
        )
        self.keep_changed = (
            f"{keep} b.{f.existed} = 1 AND NOT EXISTS ({row} AND {f.same('t', 'b')})"
        )
        self.keep_appeared = f"{keep} b.{f.existed} = 0 AND EXISTS ({row})"
        self.replace = (
            f"UPDATE {f.table} AS t SET {f.assign('s')} FROM {f.staging} s "
            f"JOIN {f.image} b ON {f.on('s', 'b')} "
            f"WHERE {f.on('t', 'b')} AND {ranged} AND b.{f.existed} = 1 AND {f.same('t', 'b')}"
        )
        # The same in two steps, where nobody can come in between: a look, and an upsert,
        # which takes SQLite a third of the time.
        self.unchanged = (
            f"SELECT count(*) FROM {f.image} b JOIN {f.table} t ON {f.on('t', 'b')} "
            f"WHERE {ranged} AND b.{f.existed} = 1 AND {f.same('t', 'b')}"
        )
        self.overwrite = (
            f"INSERT INTO {f.table} ({f.names()}) SELECT {f.names('s')} FROM {f.image} b "
            f"JOIN {f.staging} s ON {f.on('s', 'b')} WHERE {ranged} AND b.{f.existed} = 1 "
            f"{f.upsert()}"
        )
        self.insert = (
            f"INSERT INTO {f.table} ({f.names()}) SELECT {f.names('s')} FROM {f.staging} s "
            f"JOIN {f.image} b ON {f.on('s', 'b')} WHERE {ranged} AND b.{f.existed} = 0 "
            f"ORDER BY b.{f.seq} ON CONFLICT ({f.names(names=shape.keys)}) DO NOTHING"
        )
        # The staging table has to say what is really in the table, after its triggers.
        self.resync = (
            f"UPDATE {f.staging} AS s SET {f.assign('t')} FROM {f.table} t "
            f"JOIN {f.image} b ON {f.on('t', 'b')} "
            f"WHERE {f.on('s', 'b')} AND {ranged} AND NOT {f.same('t', 's')}"
        )


def merge_range(
    session: Session,
    fences: Fences,
    *,
    size: int,
    careful: bool,
    triggers: bool,
    checkpoint: Checkpoint,
) -> bool:
    """Merge the next *size* keys, in the caller's transaction; return whether that was all.

    Args:
        session: In a transaction.
        fences: The fence row of the epoch.
        size: Keys to merge.
        careful: Look for keys that somebody else wrote. Otherwise there are hoped to be none.
        triggers: Whether triggers of the table may change what is written.
        checkpoint: Called at every place a crash must be survivable.

    Raises:
        MergeStoppedError: The fence was closed meanwhile.
        ConflictError: Somebody else wrote some of the keys: be careful.
    """
    fence = fences.read(lock=True)
    if fence is None or fence.shape is None or fence.state is EpochState.CLOSED:
        raise MergeStoppedError
    if fence.state is EpochState.DIRECT:
        return True
    checkpoint("merge:locked")
    if fence.shape.image is None:
        appended = _append(session, fence.shape)
        checkpoint("merge:appended")
        fences.note_merge(through=1, add=MergeCounts(merged=appended, replaced=0, kept=0))
        fences.set_state(EpochState.DIRECT)
        return True

    sql = MergeSql(session.dialect, fence.shape)
    low = {"low": fence.merged_through}
    ((high, staged, existed),) = session.rows(sql.range, {**low, "size": size})
    if staged:
        params = {**low, "high": high}
        kept = _keep(session, sql, params=params) if careful else 0
        # Counting afterwards proves the hope, for less than looking beforehand costs.
        quick = session.dialect.alone and not careful and not triggers
        replaced = _replace(session, sql, params=params, existed=existed, quick=quick)
        inserted = session.execute(sql.insert, params) if existed < staged else 0
        if replaced + inserted + kept != staged:
            raise ConflictError("somebody else keeps writing the keys that are merged")
        if triggers:
            session.execute(sql.resync, params)
        checkpoint("merge:merged")
        counts = MergeCounts(merged=replaced + inserted, replaced=replaced, kept=kept)
        fences.note_merge(through=high, add=counts)
    complete = bool(staged < size)
    if complete:
        fences.set_state(EpochState.DIRECT)
    checkpoint("merge:noted")
    return complete


def _replace(
    session: Session, sql: MergeSql, *, params: dict[str, int], existed: int, quick: bool
) -> int:
    """Put the staged rows where *existed* rows were, and return how many were as they were."""
    if not existed:
        return 0
    if not quick:
        return session.execute(sql.replace, params)
    ((unchanged,),) = session.rows(sql.unchanged, params)
    # An upsert would take for new what was deleted since.
    return session.execute(sql.overwrite, params) if unchanged == existed else 0


def _keep(session: Session, sql: MergeSql, *, params: dict[str, int]) -> int:
    """Leave the keys out of the merge that somebody else wrote, and return their number."""
    session.rows(sql.lock, params)
    return session.execute(sql.keep_changed, params) + session.execute(sql.keep_appeared, params)


def _append(session: Session, shape: Shape) -> int:
    f = Fragments(session.dialect, shape)
    return session.execute(
        f"INSERT INTO {f.table} ({f.names()}) SELECT {f.names('s')} FROM {f.staging} s"
    )
