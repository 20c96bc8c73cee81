"""Delete what sinks keep of releases that ended long ago, again and again.

An epoch is purged only when its fence is closed and its undo is noted: what is
still to be undone is never deleted. What was purged is noted, so that nobody asks
its database again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import ModelName, ReleaseRef, SinkRef
from trilock.server.domain.ports import Connections
from trilock.server.store.clock import now_ms
from trilock.server.store.database import Database
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import get_sink, list_purgeable, note_purged
from trilock.server.watching.regular import Regular

_INTERVAL_SECONDS: Final = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """One release in one sink that nothing is kept of any more, or why it still is."""

    release: ReleaseRef
    sink: SinkRef
    error: str


def purge(
    database: Database,
    connections: Connections,
    *,
    model: ModelName | None,
    release: ReleaseRef | None,
    ended_before_ms: int,
    validate_only: bool = False,
) -> tuple[Purged, ...]:
    """Purge what ended before a time; a sink in trouble holds up no other.

    Returns:
        What was purged or, with *validate_only*, would be; with what could not be now.
    """
    with database.read() as session:
        due = list_purgeable(session, model=model, release=release, ended_before=ended_before_ms)
    done = []
    for ref, sink in due:
        error = "" if validate_only else _purge(database, connections, ref, sink)
        done.append(Purged(release=ref, sink=sink, error=error))
    return tuple(done)


def _purge(database: Database, connections: Connections, ref: ReleaseRef, sink: SinkRef) -> str:
    try:
        with database.read() as session:
            registered, epoch = get_sink(session, sink), get_release(session, ref).epoch
        connections.sink_records(registered.connection).purge(registered, epoch=epoch)
    except TrilockError as error:
        return str(error)
    with database.write() as session:
        note_purged(session, ref, sink)
    return ""


class Purger(Regular):
    """A thread that purges what is older than it has to be kept."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        *,
        keep_ms: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Do nothing yet.

        Args:
            database: Where releases are.
            connections: Where sinks are.
            keep_ms: How long after its end a release's receipt is kept.
            clock: Milliseconds since the epoch.
        """
        self._database = database
        self._connections = connections
        self._keep_ms = keep_ms
        self._clock = clock
        super().__init__(
            "purger",
            self.purge_due,
            every=_INTERVAL_SECONDS,
            first=0.0,
            unknown="nothing was purged",
        )

    def purge_due(self) -> tuple[Purged, ...]:
        """Purge once what is due."""
        done = purge(
            self._database,
            self._connections,
            model=None,
            release=None,
            ended_before_ms=self._clock() - self._keep_ms,
        )
        for each in done:
            what = f"not purged now: {each.error}" if each.error else "purged"
            _log.info("%s in %s: %s", each.release, each.sink, what)
        return done
