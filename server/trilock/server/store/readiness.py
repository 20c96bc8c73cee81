"""The last look at each rollback target."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from trilock.server.domain.names import ReleaseRef
from trilock.server.domain.release import LiveRow
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.tables import ReadinessRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReadiness:
    """What the last look found."""

    release: ReleaseRef
    state: str
    """READY, NOT_READY or UNPROVEN."""
    problems: tuple[str, ...]
    checked: datetime


def get_readiness(session: Session, live: LiveRow) -> StoredReadiness | None:
    """Return the last look at the present target of *live*; None if there was none."""
    row = session.get(ReadinessRow, (live.alias.model, live.alias.alias))
    if row is None or live.target is None or row.release != live.target.number:
        return None
    return StoredReadiness(
        release=live.target,
        state=row.state,
        problems=tuple(row.problems),
        checked=to_datetime(row.checked_ms),
    )


def put_readiness(
    session: Session, live: LiveRow, *, state: str, problems: tuple[str, ...]
) -> None:
    """Keep what a look at the present target of *live* found."""
    if live.target is None:
        return
    row = session.get(ReadinessRow, (live.alias.model, live.alias.alias)) or ReadinessRow(
        model=live.alias.model,
        alias=live.alias.alias,
        release=0,
        state="",
        problems=[],
        checked_ms=0,
    )
    row.release = live.target.number
    row.state = state
    row.problems = list(problems)
    row.checked_ms = now_ms()
    session.add(row)
