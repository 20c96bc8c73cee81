"""Drops the events that nobody may resume from any more."""

from typing import Final

from trilock.server.store.clock import now_ms
from trilock.server.store.database import Database
from trilock.server.store.events import compact_events

_HOUR_MS: Final = 3_600_000


def compact(database: Database, *, hours: int) -> int:
    """Drop events older than *hours*; return how far events are dropped now.

    Raises:
        UnavailableError: The database does not answer.
    """
    with database.write() as session:
        return compact_events(session, before_ms=now_ms() - hours * _HOUR_MS)
