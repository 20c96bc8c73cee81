"""Where the hub's knowledge comes from: the database, read in a thread."""

from dataclasses import dataclass
from typing import Protocol

from trilock.server.serving.messages import live_bundle_message
from trilock.server.serving.snapshot import Snapshot
from trilock.server.store.database import Database
from trilock.server.store.events import read_changes, read_state
from trilock.v1 import serving_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Changes in the order of their revisions, without gap."""

    generation: int
    revision: int
    """How far was looked."""
    compacted: int
    """Changes up to here are no longer kept."""
    changes: tuple[serving_pb2.LiveBundle, ...]


class Feed(Protocol):
    """Tells what is live, and what changed. Blocks."""

    def state(self) -> Snapshot:
        """Return the present state.

        Raises:
            UnavailableError: The database does not answer.
        """
        ...

    def changes(self, *, after: int, limit: int) -> Batch:
        """Return the changes after a revision, at most *limit* of them.

        Raises:
            UnavailableError: The database does not answer.
        """
        ...


class DatabaseFeed:
    """Implements Feed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self) -> Snapshot:
        """See Feed."""
        with self._database.read() as session:
            state = read_state(session)
        live = [live_bundle_message(one, generation=state.generation) for one in state.live]
        return Snapshot(
            generation=state.generation,
            revision=state.revision,
            live={bundle.alias: bundle for bundle in live},
        )

    def changes(self, *, after: int, limit: int) -> Batch:
        """See Feed."""
        with self._database.read() as session:
            found = read_changes(session, after=after, limit=limit)
        return Batch(
            generation=found.generation,
            revision=found.revision,
            compacted=found.compacted,
            changes=tuple(
                live_bundle_message(live, generation=found.generation) for live in found.changes
            ),
        )
