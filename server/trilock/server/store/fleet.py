"""The roster: which processes serve what, and who answered to which revision when.

Rows, not memory, so that every replica sees the same fleet. Nothing here takes a
revision. All times are the database's. A transaction locks planes before
releases, as everybody does (`convergence/following.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, delete, select, update

from trilock.server.domain.errors import AlreadyExistsError
from trilock.server.domain.fleet import (
    EXPIRES_SECONDS,
    MAX_REFUSAL,
    Acknowledgement,
    Fleet,
    RecordedAcknowledgement,
    ServingReport,
    Watcher,
)
from trilock.server.domain.names import AliasName, AliasRef, ModelName
from trilock.server.domain.release import LiveRow
from trilock.server.store.clock import db_now_ms, to_datetime, to_optional_datetime
from trilock.server.store.counters import generation
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.lookup import find_rows
from trilock.server.store.tables import (
    AcknowledgementRow,
    LiveTable,
    PlaneStateRow,
    ReleaseRow,
    WatchedRow,
    WatcherRow,
)

# Made once: every plan asks.
_WATCHERS: Final = (
    sa.select(col(WatchedRow.watcher))
    .where(
        col(WatchedRow.watcher) == col(WatcherRow.watcher),
        col(WatchedRow.model) == sa.bindparam("of_model"),
        col(WatchedRow.alias) == sa.bindparam("of_alias"),
        col(WatcherRow.expires_ms) >= db_now_ms(),
    )
    .limit(1)
)

FLEET_PLANE: Final = "fleet"
"""Name of the plane that waits for the roster."""

_EXPIRES_MS: Final = int(EXPIRES_SECONDS * 1000)

_CHUNK: Final = 500
"""How many names go into one query: databases bound their parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a report."""

    resend: bool
    """Whether the watcher was not known, or not any more."""
    unknown: tuple[AliasRef, ...] = ()
    """Aliases that nothing was ever released on."""
    answered: tuple[LiveTable, ...] = ()
    """What it answered to, and had not before."""
    switched: tuple[LiveTable, ...] = ()
    """Whose last pivot it had been waited for, and followed now."""


def record_report(session: Session, report: ServingReport) -> Recorded:
    """Write what one process serves, and count it for another 30 seconds.

    Raises:
        AlreadyExistsError: Another principal reports under its name. Nothing was written.
    """
    now = _now(session)
    is_new, row = _claim(session, report, now=now)
    gone = row.expires_ms < now
    if row.principal != report.principal:
        if not gone:
            raise AlreadyExistsError(f"watcher {report.watcher!r}", what="of another principal")
        row.principal = report.principal
    if report.leaves:
        forget(session, report.watcher)
        return Recorded(resend=False)
    resend = is_new or gone
    if resend:
        row.joined_ms = now
    row.reported_ms, row.expires_ms = now, now + _EXPIRES_MS
    session.add(row)
    session.flush()
    if not report.acknowledgements:
        return Recorded(resend=resend)
    return _acknowledge(session, row, report.acknowledgements, resend=resend, now=now)


def conclude(session: Session, recorded: Sequence[Recorded]) -> None:
    """Do what follows from reports that were recorded: call it once, at the end.

    Planes come before releases, and each in one order: so everybody locks rows.
    """
    answered = {(row.model, row.alias) for one in recorded for row in one.answered}
    for model, alias in sorted(answered):
        _look_again(session, model=model, alias=alias)
    switched = Counter(
        (row.model, row.switched_revision, row.switched_ms)
        for one in recorded
        for row in one.switched
    )
    now = _now(session)
    for (model, revision, switched_ms), count in sorted(switched.items()):
        session.exec(
            update(ReleaseRow)
            .where(col(ReleaseRow.model) == model, col(ReleaseRow.revision) == revision)
            .values(
                acknowledged=ReleaseRow.acknowledged + count,
                acknowledged_ms=max(0, now - switched_ms),
            )
        )


def forget(session: Session, watcher: str) -> None:
    """Take *watcher* off the roster; what it acknowledged stays on record."""
    session.exec(delete(WatchedRow).where(col(WatchedRow.watcher) == watcher))
    session.exec(delete(WatcherRow).where(col(WatcherRow.watcher) == watcher))


def drop_expired(session: Session, *, keep_ms: int) -> None:
    """Drop watchers that are gone, and answers older than *keep_ms*."""
    now = _now(session)
    gone = select(WatcherRow.watcher).where(col(WatcherRow.expires_ms) < now - _EXPIRES_MS)
    session.exec(delete(WatchedRow).where(col(WatchedRow.watcher).in_(gone)))
    session.exec(delete(WatcherRow).where(col(WatcherRow.expires_ms) < now - _EXPIRES_MS))
    session.exec(delete(AcknowledgementRow).where(col(AcknowledgementRow.at_ms) < now - keep_ms))


def get_fleet(session: Session, live: LiveRow, *, revision: int | None = None) -> Fleet:
    """Return who watches the alias of *live*, held against *revision*, by default its own."""
    query = (
        select(WatchedRow, WatcherRow)
        .where(
            WatchedRow.watcher == WatcherRow.watcher,
            WatchedRow.model == live.alias.model,
            WatchedRow.alias == live.alias.alias,
            col(WatcherRow.expires_ms) >= db_now_ms(),
        )
        .execution_options(populate_existing=True)
    )
    present = generation(session)
    watchers = [_watcher(row, of, present=present) for row, of in session.exec(query)]
    return Fleet.of(watchers, revision=live.revision if revision is None else revision)


def has_watchers(session: Session, alias: AliasRef) -> bool:
    """Return whether anybody watches *alias*."""
    found = find_rows(session, _WATCHERS, of_model=alias.model, of_alias=alias.alias)
    return bool(found)


def switched_for_ms(session: Session, live: LiveRow) -> int:
    """Return how long ago the release of *live* went live, by the database's clock."""
    query = select(LiveTable.switched_ms).where(
        LiveTable.model == live.alias.model, LiveTable.alias == live.alias.alias
    )
    return max(0, _now(session) - session.exec(query).one())


def list_acknowledgements(
    session: Session, *, revision: int, offset: int, limit: int
) -> list[RecordedAcknowledgement]:
    """Return who answered to *revision*, the first answer first."""
    query = (
        select(AcknowledgementRow)
        .where(AcknowledgementRow.revision == revision)
        .order_by(col(AcknowledgementRow.at_ms), col(AcknowledgementRow.watcher))
        .offset(offset)
        .limit(limit)
    )
    return [
        RecordedAcknowledgement(
            alias=AliasRef(ModelName(row.model), AliasName(row.alias)),
            watcher=row.watcher,
            principal=row.principal,
            generation=row.generation,
            revision=row.revision,
            refusal=row.refusal,
            at=to_datetime(row.at_ms),
        )
        for row in session.exec(query)
    ]


def _claim(session: Session, report: ServingReport, *, now: int) -> tuple[bool, WatcherRow]:
    """Return whether the watcher is new, and its row, which nobody else writes until the end."""
    is_new = insert_if_absent(
        session,
        WatcherRow,
        watcher=report.watcher,
        principal=report.principal,
        joined_ms=now,
        reported_ms=now,
        expires_ms=now,
    )
    row = session.exec(
        select(WatcherRow)
        .where(WatcherRow.watcher == report.watcher)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return is_new, row


def _acknowledge(
    session: Session,
    watcher: WatcherRow,
    given: Sequence[Acknowledgement],
    *,
    resend: bool,
    now: int,
) -> Recorded:
    """Write *given*."""
    present = generation(session)
    newest = {one.alias: one for one in sorted(given, key=lambda one: one.revision)}
    live = _live_rows(session, newest)
    known = {
        (row.model, row.alias): row
        for row in session.exec(select(WatchedRow).where(WatchedRow.watcher == watcher.watcher))
    }
    switched: list[LiveTable] = []
    answered: list[LiveTable] = []
    for alias in sorted(live, key=str):
        one, present_row = newest[alias], live[alias]
        row = known.get((alias.model, alias.alias)) or WatchedRow(
            model=alias.model,
            alias=alias.alias,
            watcher=watcher.watcher,
            generation=present,
            revision=0,
            refused_revision=0,
            refusal="",
            standby_warm=False,
        )
        before = row.revision if row.generation == present else 0
        # What is of another history, or of none yet, is no answer to anything in this one.
        is_answer = one.generation == present and one.revision <= present_row.revision
        if _write(session, row, one, present=present, is_answer=is_answer, now=now):
            answered.append(present_row)
            _remember(session, watcher, one, now=now)
        there = watcher.joined_ms <= present_row.switched_ms
        if there and before < present_row.switched_revision <= row.revision:
            switched.append(present_row)
    session.flush()
    return Recorded(
        resend=resend,
        unknown=tuple(alias for alias in newest if alias not in live),
        answered=tuple(answered),
        switched=tuple(switched),
    )


def _write(
    session: Session,
    row: WatchedRow,
    one: Acknowledgement,
    *,
    present: int,
    is_answer: bool,
    now: int,
) -> bool:
    """Bring *row* up to *one*; return whether it answers to something new."""
    if row.generation != present:
        row.generation, row.revision, row.refused_revision, row.refusal = present, 0, 0, ""
        row.acknowledged_ms = None
    row.standby_warm = one.standby_warm
    session.add(row)
    if not is_answer:
        return False
    if one.revision < row.revision:
        return False
    if one.refusal:
        changed = (row.refused_revision, row.refusal) != (one.revision, one.refusal)
        row.refused_revision, row.refusal = one.revision, one.refusal[:MAX_REFUSAL]
        return changed
    if one.revision == row.revision and not row.refused_revision:
        return False
    row.revision = one.revision
    row.refused_revision, row.refusal = 0, ""
    row.acknowledged_ms = now
    return True


def _remember(session: Session, watcher: WatcherRow, one: Acknowledgement, *, now: int) -> None:
    key = {
        "revision": one.revision,
        "generation": one.generation,
        "watcher": watcher.watcher,
    }
    refusal = one.refusal[:MAX_REFUSAL]
    is_new = insert_if_absent(
        session,
        AcknowledgementRow,
        **key,
        model=one.alias.model,
        alias=one.alias.alias,
        principal=watcher.principal,
        refusal=refusal,
        at_ms=now,
    )
    if not is_new:
        session.exec(
            update(AcknowledgementRow)
            .where(*(col(getattr(AcknowledgementRow, name)) == key[name] for name in key))
            .values(refusal=refusal, at_ms=now)
        )


def _look_again(session: Session, *, model: str, alias: str) -> None:
    """Have the converger look at once: what it waits for may be here."""
    session.exec(
        update(PlaneStateRow)
        .where(
            col(PlaneStateRow.model) == model,
            col(PlaneStateRow.alias) == alias,
            col(PlaneStateRow.plane) == FLEET_PLANE,
        )
        .values(not_before_ms=0)
    )


def _live_rows(session: Session, aliases: Iterable[AliasRef]) -> dict[AliasRef, LiveTable]:
    found: dict[AliasRef, LiveTable] = {}
    keys = [(alias.model, alias.alias) for alias in aliases]
    columns = sa.tuple_(col(LiveTable.model), col(LiveTable.alias))
    for at in range(0, len(keys), _CHUNK):
        for row in session.exec(select(LiveTable).where(columns.in_(keys[at : at + _CHUNK]))):
            found[AliasRef(ModelName(row.model), AliasName(row.alias))] = row
    return found


def _now(session: Session) -> int:
    return session.exec(select(db_now_ms())).one()


def _watcher(row: WatchedRow, of: WatcherRow, *, present: int) -> Watcher:
    is_of_now = row.generation == present
    return Watcher(
        name=row.watcher,
        principal=of.principal,
        revision=row.revision if is_of_now else 0,
        refused_revision=row.refused_revision if is_of_now else 0,
        refusal=row.refusal if is_of_now else "",
        standby_warm=row.standby_warm,
        acknowledged=to_optional_datetime(row.acknowledged_ms),
        reported=to_datetime(of.reported_ms),
    )
