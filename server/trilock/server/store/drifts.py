"""Drift, from when it was first seen until it was gone: an event, and a row while it is there."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.drift import Deviation
from trilock.server.domain.names import AliasName, AliasRef, BundleRef, ModelName
from trilock.server.store.clock import now_ms, to_datetime, to_optional_datetime
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.lookup import find_rows
from trilock.server.store.tables import DriftRow

_DRIFTS: Final = DriftRow.metadata.tables["drift"]

# Made once: every plan asks.
_OPEN: Final = (
    sa.select(_DRIFTS)
    .where(
        _DRIFTS.c.model == sa.bindparam("of_model"),
        _DRIFTS.c.alias == sa.bindparam("of_alias"),
        _DRIFTS.c.ended_ms.is_(None),
    )
    .order_by(_DRIFTS.c.plane, _DRIFTS.c.resource)
)

BEGAN: Final = "DRIFT"
ENDED: Final = "DRIFT_ENDED"
"""Kinds of the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A recorded deviation."""

    revision: int
    """Of the event that tells of it."""
    alias: AliasRef
    deviation: Deviation
    held: BundleRef | None
    """The bundle on hold that somebody put back, if it is one."""
    reasserted: bool
    """Whether the plane is driven to the live row again."""
    since: datetime
    ended: datetime | None

    @property
    def plane(self) -> str:
        """The plane that deviates."""
        return self.deviation.plane


def open_drifts(session: Session, alias: AliasRef) -> list[Drift]:
    """Return what deviates now, sorted by plane."""
    rows = find_rows(session, _OPEN, of_model=alias.model, of_alias=alias.alias)
    return [_to_domain(row) for row in rows]


def list_drifts(
    session: Session, *, alias: AliasRef | None, ended: bool, offset: int, limit: int
) -> list[Drift]:
    """Return drifts, newest first.

    Args:
        session: The transaction.
        alias: Only this one's; None for all.
        ended: Whether those that are gone are told, too.
        offset: How many to leave out.
        limit: How many at most.
    """
    query = select(DriftRow).order_by(col(DriftRow.revision).desc())
    if alias:
        query = query.where(DriftRow.model == alias.model, DriftRow.alias == alias.alias)
    if not ended:
        query = query.where(col(DriftRow.ended_ms).is_(None))
    return [_to_domain(row) for row in session.exec(query.offset(offset).limit(limit))]


def record_drifts(
    session: Session,
    alias: AliasRef,
    deviations: Collection[tuple[Deviation, BundleRef | None, bool]],
    *,
    unknown: Collection[tuple[str, str]],
) -> list[Drift]:
    """Make what is on record of *alias* equal to what a look found.

    Args:
        session: The transaction; the live row is locked in it.
        alias: Whose planes were looked at.
        deviations: Each with the held bundle that it is, and whether it is re-asserted.
        unknown: Plane and resource of what could not be looked at. Whatever else is on
            record and was not found is gone.

    Returns:
        What is new.
    """
    rows = {(row.plane, row.resource): row for row in _open(session, alias)}
    found = {(each.plane, each.resource): (each, held, again) for each, held, again in deviations}
    new: list[Drift] = []
    for key, row in rows.items():
        known = found.get(key)
        same = known is not None and _deviation(row) == known[0]
        if same and known is not None:
            # Who has asked for it by hand, or by a hold, is not overruled by a later look.
            row.reasserted = row.reasserted or known[2]
            session.add(row)
            del found[key]
        elif known is not None or key not in unknown:
            row.ended_ms = now_ms()
            session.add(row)
            if known is None:
                _tell(session, alias, ENDED, _deviation(row), revision=allot_revision(session))
    for deviation, held, again in found.values():
        revision = allot_revision(session)
        row = DriftRow(
            revision=revision,
            model=alias.model,
            alias=alias.alias,
            plane=deviation.plane,
            resource=deviation.resource,
            wanted=deviation.wanted,
            found=deviation.found,
            changes=list(deviation.changes),
            held=None if held is None else held.number,
            reasserted=again,
            since_ms=now_ms(),
        )
        session.add(row)
        _tell(session, alias, BEGAN, deviation, revision=revision, held=held, reasserted=again)
        new.append(_to_domain(row))
    return new


def set_reasserted(session: Session, alias: AliasRef) -> list[Drift]:
    """Note that every plane of *alias* that deviates is driven to the live row; return them."""
    rows = _open(session, alias)
    for row in rows:
        row.reasserted = True
        session.add(row)
    return [_to_domain(row) for row in rows]


def _open(session: Session, alias: AliasRef) -> list[DriftRow]:
    query = (
        select(DriftRow)
        .where(
            DriftRow.model == alias.model,
            DriftRow.alias == alias.alias,
            col(DriftRow.ended_ms).is_(None),
        )
        .order_by(col(DriftRow.plane), col(DriftRow.resource))
    )
    return list(session.exec(query))


def _tell(
    session: Session,
    alias: AliasRef,
    kind: str,
    deviation: Deviation,
    *,
    revision: int,
    **more: Any,  # noqa: ANN401 - JSON
) -> None:
    append_event(
        session,
        at=revision,
        kind=kind,
        model=alias.model,
        alias=alias.alias,
        payload={
            "plane": deviation.plane,
            "resource": deviation.resource,
            "wanted": deviation.wanted,
            "found": deviation.found,
            "changes": list(deviation.changes),
            **{key: str(value) if value is not None else "" for key, value in more.items()},
        },
    )


def _deviation(row: DriftRow) -> Deviation:
    return Deviation(
        plane=row.plane,
        resource=row.resource,
        wanted=row.wanted,
        found=row.found,
        changes=tuple(row.changes),
    )


def _to_domain(row: DriftRow) -> Drift:
    model = ModelName(row.model)
    return Drift(
        revision=row.revision,
        alias=AliasRef(model, AliasName(row.alias)),
        deviation=_deviation(row),
        held=None if row.held is None else BundleRef(model, row.held),
        reasserted=row.reasserted,
        since=to_datetime(row.since_ms),
        ended=to_optional_datetime(row.ended_ms),
    )
