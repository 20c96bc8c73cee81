"""How far each plane has followed the live row."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from trilock.server.domain.release import LiveRow
from trilock.server.store.clock import to_datetime
from trilock.server.store.tables import PlaneStateRow


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


def _to_domain(row: PlaneStateRow, live: LiveRow) -> PlaneState:
    converged = row.converged_revision >= live.revision
    return PlaneState(
        plane=row.plane,
        converged=converged,
        wanted=row.wanted,
        found=row.found,
        attempts=row.attempts,
        error=row.error,
        next_try=None if converged else to_datetime(row.not_before_ms),
    )
