"""Registered sinks, and what became of each release's writes to them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import AlreadyExistsError, NotFoundError
from trilock.server.domain.names import ModelName, ReleaseRef, SinkRef
from trilock.server.domain.sink import (
    FenceAhead,
    MergeCounts,
    Sink,
    SinkColumn,
    StagedCount,
    StagedRows,
    UndoCounts,
    UndoUnavailable,
)
from trilock.server.store import codec
from trilock.server.store.clock import now_ms, to_datetime, to_optional_datetime
from trilock.server.store.lookup import find_row, find_rows
from trilock.server.store.tables import ReleaseRow, ReleaseSinkRow, SinkRow

_SINKS: Final = SinkRow.metadata.tables["sink"]

# Made once: every plan asks.
_EVERY: Final = sa.select(_SINKS).order_by(_SINKS.c.model, _SINKS.c.sink)
_OF_MODEL: Final = _EVERY.where(_SINKS.c.model == sa.bindparam("of_model"))

_KINDS: Final = {
    StagedCount: "staged",  # until the rows are quarantined, and then read
    StagedRows: "staged",
    MergeCounts: "merge",
    UndoCounts: "undo",
    UndoUnavailable: "undo_unavailable",
    FenceAhead: "ahead",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSink:
    """What trilock knows of one release's writes to one sink, as of the last look."""

    sink: SinkRef
    state: str
    counts: Mapping[str, Any]
    purged: datetime | None
    """When what its database kept of the release was deleted; None if it was not."""

    @property
    def is_ahead(self) -> bool:
        """Whether its database has seen more of the release than this one, a restored copy."""
        return _KINDS[FenceAhead] in self.counts


def get_sink(session: Session, ref: SinkRef) -> Sink:
    """Return the sink.

    Raises:
        NotFoundError: There is no such sink.
    """
    row = find_row(session, SinkRow, model=ref.model, sink=ref.sink)
    if row is None:
        raise NotFoundError(str(ref), hint="`trilock sinks list` lists the sinks")
    return _to_domain(row)


def list_sinks(session: Session, *, model: ModelName | None = None) -> list[Sink]:
    """Return sinks, sorted by name."""
    rows = find_rows(session, _OF_MODEL, of_model=model) if model else find_rows(session, _EVERY)
    return [_to_domain(row) for row in rows]


def record_sink(
    session: Session,
    ref: SinkRef,
    *,
    connection: str,
    table: str,
    keys: tuple[str, ...],
    columns: tuple[SinkColumn, ...],
    live_view: bool = False,
    creator: str,
) -> Sink:
    """Record the sink; the same again changes nothing, but for columns that were altered.

    Raises:
        AlreadyExistsError: The name is taken by another table, or by other keys.
    """
    row = session.get(SinkRow, (ref.model, ref.sink))
    if row is None:
        row = SinkRow(
            model=ref.model,
            sink=ref.sink,
            connection=connection,
            table=table,
            keys=list(keys),
            columns=codec.columns_to_json(columns),
            live_view=live_view,
            created_ms=now_ms(),
            creator=creator,
        )
        session.add(row)
        session.flush()
    else:
        _require_same(row, ref, connection=connection, table=table, keys=keys)
    if (codec.columns_from_json(row.columns), row.live_view) != (columns, live_view):
        row.live_view = live_view
        row.columns = codec.columns_to_json(columns)
        row.altered_ms = now_ms()
        row.alterer = creator
        session.add(row)
        session.flush()
    return _to_domain(row)


def require_same_table(session: Session, sink: Sink) -> None:
    """Do nothing if the name is free, or stands for the same table and keys.

    Raises:
        AlreadyExistsError: The name is taken by another table, or by other keys.
    """
    row = session.get(SinkRow, (sink.ref.model, sink.ref.sink))
    if row is not None:
        _require_same(row, sink.ref, connection=sink.connection, table=sink.table, keys=sink.keys)


def _require_same(
    row: SinkRow, ref: SinkRef, *, connection: str, table: str, keys: tuple[str, ...]
) -> None:
    if (row.connection, row.table, tuple(row.keys)) != (connection, table, keys):
        raise AlreadyExistsError(
            str(ref),
            what=f"as table {row.table!r} of {row.connection!r} with keys {', '.join(row.keys)}",
        )


def note_release_sink(
    session: Session,
    release: ReleaseRef,
    sink: SinkRef,
    *,
    state: str,
    counts: MergeCounts | StagedRows | UndoCounts | UndoUnavailable | FenceAhead | None = None,
) -> None:
    """Note what became of *release*'s writes to *sink*; counts of each kind are kept.

    But for what its fence was ahead of: that is so as long as it is noted again.
    """
    row = session.get(ReleaseSinkRow, (release.model, release.number, sink.sink))
    if row is None:
        row = ReleaseSinkRow(
            model=release.model, number=release.number, sink=sink.sink, state=state, counts={}
        )
    row.state = state
    # What was staged is in the table once it was merged.
    over = {_KINDS[FenceAhead], *([_KINDS[StagedCount]] if isinstance(counts, MergeCounts) else [])}
    kept = {kind: known for kind, known in row.counts.items() if kind not in over}
    row.counts = kept if counts is None else {**kept, _KINDS[type(counts)]: asdict(counts)}
    session.add(row)


def note_staged_rows(
    session: Session, release: ReleaseRef, sink: SinkRef, *, count: StagedCount
) -> None:
    """Note how many rows of *release*, which soaks, are held apart from the table of *sink*."""
    row = session.get(ReleaseSinkRow, (release.model, release.number, sink.sink))
    if row is None:
        row = ReleaseSinkRow(
            model=release.model,
            number=release.number,
            sink=sink.sink,
            state=EpochState.STAGED.value,
            counts={},
        )
    # What its fence says is for the one to note who looks at it.
    row.counts = {**row.counts, _KINDS[StagedCount]: {**asdict(count), "at_ms": now_ms()}}
    session.add(row)


def list_release_sinks(session: Session, release: ReleaseRef) -> list[ReleaseSink]:
    """Return what is noted of *release*'s writes, sorted by sink."""
    query = (
        select(ReleaseSinkRow)
        .where(ReleaseSinkRow.model == release.model, ReleaseSinkRow.number == release.number)
        .order_by(col(ReleaseSinkRow.sink))
    )
    return [
        ReleaseSink(
            sink=SinkRef(release.model, row.sink),
            state=row.state,
            counts=row.counts,
            purged=to_optional_datetime(row.purged_ms),
        )
        for row in session.exec(query)
    ]


def list_purgeable(
    session: Session, *, model: ModelName | None, release: ReleaseRef | None, ended_before: int
) -> list[tuple[ReleaseRef, SinkRef]]:
    """Return the releases that ended before a time, are settled in a sink and kept there."""
    query = (
        select(ReleaseSinkRow)
        .join(
            ReleaseRow,
            sa.and_(
                col(ReleaseRow.model) == ReleaseSinkRow.model,
                col(ReleaseRow.number) == ReleaseSinkRow.number,
            ),
        )
        .where(
            ReleaseSinkRow.state == EpochState.CLOSED.value,
            col(ReleaseSinkRow.purged_ms).is_(None),
            col(ReleaseRow.ended_ms) < ended_before,
        )
        .order_by(col(ReleaseSinkRow.model), col(ReleaseSinkRow.number), col(ReleaseSinkRow.sink))
    )
    if model is not None:
        query = query.where(ReleaseSinkRow.model == model)
    if release is not None:
        query = query.where(
            ReleaseSinkRow.model == release.model, ReleaseSinkRow.number == release.number
        )
    return [
        (
            ReleaseRef(ModelName(row.model), row.number),
            SinkRef(ModelName(row.model), row.sink),
        )
        for row in session.exec(query)
    ]


def note_purged(session: Session, release: ReleaseRef, sink: SinkRef) -> None:
    """Note that the sink's database keeps nothing of *release* any more."""
    row = session.get_one(ReleaseSinkRow, (release.model, release.number, sink.sink))
    row.purged_ms = now_ms()
    session.add(row)


def _to_domain(row: SinkRow) -> Sink:
    return Sink(
        ref=SinkRef(ModelName(row.model), row.sink),
        connection=row.connection,
        table=row.table,
        keys=tuple(row.keys),
        columns=codec.columns_from_json(row.columns),
        created=to_datetime(row.created_ms),
        creator=row.creator,
        altered=to_optional_datetime(row.altered_ms),
        alterer=row.alterer,
        live_view=row.live_view,
    )
