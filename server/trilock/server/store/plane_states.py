"""How far each plane has followed the live row, and how it is asked to follow again.

A pivot leaves every plane behind. Whatever else could make one differ says so
with `set_behind`, and the converger does the rest: nobody else touches a plane.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select, update

from trilock.server.domain.names import AliasRef
from trilock.server.domain.release import LiveRow
from trilock.server.store.clock import to_datetime, to_optional_datetime
from trilock.server.store.tables import LiveTable, PlaneStateRow

_BEHIND: Final = 0
_REWRITE: Final = -1
"""`converged_revision` of a plane that is behind, and of one that is written in any case."""


def plane_scope(alias: AliasRef, plane: str) -> str:
    """Return the scope of the lease on one plane of *alias*."""
    return f"{alias}/planes/{plane}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneState:
    """What was seen when one plane was last looked at."""

    plane: str
    converged: bool
    """Whether it was seen equal to the present live row."""
    wanted: str
    found: str
    attempts: int
    error: str
    failing_since: datetime | None
    """When making it so began to fail; None if it did not, or has worked since."""
    next_try: datetime | None
    """None once converged."""


def list_plane_states(session: Session, live: LiveRow) -> list[PlaneState]:
    """Return the state of every plane that was ever driven for the alias, sorted by name."""
    query = (
        select(PlaneStateRow)
        .where(PlaneStateRow.model == live.alias.model, PlaneStateRow.alias == live.alias.alias)
        .order_by(col(PlaneStateRow.plane))
    )
    return [_to_domain(row, live) for row in session.exec(query)]


def has_followed(session: Session, live: LiveRow, *, plane: str, value: str) -> bool:
    """Return whether *plane* was made what *live* wants of it since the last switch.

    Args:
        session: The transaction.
        live: The live row.
        plane: Which one.
        value: How it is then. One that is only to be written anew still is so.
    """
    row = session.get(PlaneStateRow, (live.alias.model, live.alias.alias, plane))
    if row is None:
        return False
    if row.converged_revision == _REWRITE:
        return row.found == value
    return row.converged_revision >= live.switched_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of one plane, apart from equality with the live row."""

    number: int
    """Grows whenever planes of the alias are set behind."""
    rewrite: bool
    """Whether it is made equal even if it looks so."""


def set_behind(
    session: Session,
    alias: AliasRef,
    *,
    planes: Collection[str] | None = None,
    rewrite: bool = False,
) -> None:
    """Have planes of *alias* driven again, as after a pivot; the live row stays as it is.

    What somebody has seen of a plane before this commits is no agreement any more.

    Args:
        session: The transaction of what makes them differ.
        alias: Whose planes; one where nothing was ever released has none.
        planes: Their names; None for all.
        rewrite: Whether they are made equal even if they look so, since what has
            changed is more than a look can see.
    """
    session.exec(
        update(LiveTable)
        .where(col(LiveTable.model) == alias.model, col(LiveTable.alias) == alias.alias)
        .values(converged_revision=0, demand=LiveTable.demand + 1)
    )
    query = update(PlaneStateRow).where(
        col(PlaneStateRow.model) == alias.model, col(PlaneStateRow.alias) == alias.alias
    )
    if planes is not None:
        query = query.where(col(PlaneStateRow.plane).in_(planes))
    if not rewrite:
        query = query.where(col(PlaneStateRow.converged_revision) != _REWRITE)
    behind = _REWRITE if rewrite else _BEHIND
    session.exec(query.values(converged_revision=behind, not_before_ms=0))


def get_demand(session: Session, alias: AliasRef, *, plane: str) -> Demand:
    """Return what is asked of *plane*; nothing where nothing was ever released."""
    live = session.get(LiveTable, (alias.model, alias.alias))
    row = session.get(PlaneStateRow, (alias.model, alias.alias, plane))
    return Demand(
        number=0 if live is None else live.demand,
        rewrite=row is not None and row.converged_revision == _REWRITE,
    )


def _to_domain(row: PlaneStateRow, live: LiveRow) -> PlaneState:
    converged = row.converged_revision >= live.revision
    return PlaneState(
        plane=row.plane,
        converged=converged,
        wanted=row.wanted,
        found=row.found,
        attempts=row.attempts,
        error=row.error,
        failing_since=to_optional_datetime(row.failing_ms),
        next_try=None if converged else to_datetime(row.not_before_ms),
    )
