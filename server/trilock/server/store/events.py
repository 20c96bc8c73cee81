"""Events: what changed, by revision, for those who follow.

Events are kept for a while and then dropped, the oldest first; how far is kept
too, so that who asks for a dropped one is told, and not given a gap.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, delete, func, select

from trilock.server.domain.live import LiveBundle
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.store import codec
from trilock.server.store.counters import generation, revision
from trilock.server.store.lookup import find_row, find_rows
from trilock.server.store.releases import live_bundles
from trilock.server.store.tables import CounterRow, EventRow, ReleaseRow

LIVE: Final = "LIVE"
"""Kind of the event of a changed live row; its payload has the whole LiveBundle."""

_COMPACTED: Final = "events/compacted"
_EVENTS: Final = EventRow.metadata.tables["event"]

# Made once: it is what all readers wait for after a pivot.
_CHANGES: Final = (
    sa.select(_EVENTS.c.payload)
    .where(
        _EVENTS.c.kind == LIVE,
        _EVENTS.c.revision > sa.bindparam("after"),
        _EVENTS.c.revision <= sa.bindparam("up_to"),
    )
    .order_by(_EVENTS.c.revision)
    .limit(sa.bindparam("at_most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All changes up to a revision, oldest first."""

    generation: int
    revision: int
    """How far was looked: there are no others up to here."""
    compacted: int
    """Events up to here are dropped; 0 for none. If it is past where the reader was,
    `changes` has a gap."""
    changes: tuple[LiveBundle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The live bundles of all aliases at one revision."""

    generation: int
    revision: int
    live: tuple[LiveBundle, ...]


def read_state(session: Session) -> State:
    """Return the present state."""
    return State(
        generation=generation(session),
        revision=revision(session),
        live=tuple(live_bundles(session)),
    )


def read_changes(session: Session, *, after: int, limit: int) -> Changes:
    """Return the changes after revision *after*, at most *limit* of them."""
    newest = revision(session)
    rows = find_rows(session, _CHANGES, after=after, up_to=newest, at_most=limit)
    changes = tuple(codec.live_from_json(row.payload["live"]) for row in rows)
    return Changes(
        generation=generation(session),
        revision=changes[-1].revision if len(changes) == limit else newest,
        # After the events: what is dropped in between is then seen to be.
        compacted=_compacted(session),
        changes=changes,
    )


def bundle_at(session: Session, alias: AliasRef, *, revision: int) -> BundleRef | None:
    """Return the bundle that was live on *alias* at *revision*; None if nothing was."""
    query = (
        select(ReleaseRow.bundle)
        .where(
            ReleaseRow.model == alias.model,
            ReleaseRow.alias == alias.alias,
            col(ReleaseRow.revision) <= revision,
            ~col(ReleaseRow.trial),
        )
        .order_by(col(ReleaseRow.revision).desc())
        .limit(1)
    )
    found = session.exec(query).first()
    return None if found is None else BundleRef(alias.model, found)


def compact_events(session: Session, *, before_ms: int) -> int:
    """Drop the events from before a time; return how far events are dropped now."""
    last = session.exec(
        select(func.max(EventRow.revision)).where(col(EventRow.at_ms) < before_ms)
    ).one()
    if last is None:
        return _compacted(session)
    session.exec(delete(EventRow).where(col(EventRow.revision) <= last))
    row = session.get(CounterRow, _COMPACTED) or CounterRow(name=_COMPACTED, value=0)
    row.value = max(row.value, last)
    session.add(row)
    session.flush()
    return row.value


def _compacted(session: Session) -> int:
    row = find_row(session, CounterRow, name=_COMPACTED)
    return 0 if row is None else row.value
