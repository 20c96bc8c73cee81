"""Drops the events that nobody may resume from any more, and watchers that are gone."""

from typing import Final

from trilock.server.store.clock import now_ms
from trilock.server.store.database import Database
from trilock.server.store.events import compact_events
from trilock.server.store.fleet import drop_expired

_HOUR_MS: Final = 3_600_000


def compact(database: Database, *, hours: int, acknowledgement_days: int = 90) -> int:
    """Drop what is older than that; return how far events are dropped now.

    Raises:
        UnavailableError: The database does not answer.
    """
    with database.write() as session:
        drop_expired(session, keep_ms=acknowledgement_days * 24 * _HOUR_MS)
        return compact_events(session, before_ms=now_ms() - hours * _HOUR_MS)
