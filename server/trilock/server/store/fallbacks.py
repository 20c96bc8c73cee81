"""Fallback bundles: where a rollback goes when no release of the alias can be restored."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.release import Cause
from trilock.server.store import codec
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.tables import FallbackRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """The fallback bundle of one alias, with the last look at it."""

    alias: AliasRef
    bundle: BundleRef
    cause: Cause
    """Who recorded it, and why."""
    recorded: datetime
    state: str
    """READY, NOT_READY or UNPROVEN."""
    problems: tuple[str, ...]
    checked: datetime


def get_fallback(session: Session, alias: AliasRef) -> Fallback | None:
    """Return the fallback bundle of *alias*, or None."""
    row = session.get(FallbackRow, (alias.model, alias.alias))
    if row is None:
        return None
    return Fallback(
        alias=alias,
        bundle=BundleRef(alias.model, row.bundle),
        cause=codec.cause_from_json(row.cause),
        recorded=to_datetime(row.recorded_ms),
        state=row.state,
        problems=tuple(row.problems),
        checked=to_datetime(row.checked_ms),
    )


def put_fallback(session: Session, alias: AliasRef, *, bundle: BundleRef, cause: Cause) -> None:
    """Make *bundle*, which was just seen to be READY, the fallback bundle of *alias*."""
    now = now_ms()
    row = session.get(FallbackRow, (alias.model, alias.alias)) or FallbackRow(
        model=alias.model,
        alias=alias.alias,
        bundle=0,
        cause={},
        recorded_ms=0,
        state="",
        problems=[],
        checked_ms=0,
    )
    row.bundle = bundle.number
    row.cause = codec.cause_to_json(cause)
    row.recorded_ms = row.checked_ms = now
    row.state, row.problems = "READY", []
    session.add(row)


def note_fallback(
    session: Session, fallback: Fallback, *, state: str, problems: tuple[str, ...]
) -> None:
    """Keep what a look at *fallback* found, if it still is the alias's."""
    row = session.get(FallbackRow, (fallback.alias.model, fallback.alias.alias))
    if row is not None and row.bundle == fallback.bundle.number:
        row.state, row.problems, row.checked_ms = state, list(problems), now_ms()
        session.add(row)


def remove_fallback(session: Session, alias: AliasRef) -> bool:
    """Forget the fallback bundle of *alias*; return whether there was one."""
    row = session.get(FallbackRow, (alias.model, alias.alias))
    if row is None:
        return False
    session.delete(row)
    return True
