"""A feed whose whole history the test knows: what happened, and what is still kept."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from trilock.server.domain.errors import UnavailableError
from trilock.server.serving.feed import Batch
from trilock.server.serving.snapshot import Snapshot
from trilock.v1 import serving_pb2


def alias(letter: str) -> str:
    return f"models/{letter}/aliases/production"


@dataclass(kw_only=True)
class FakeFeed:
    """Implements Feed. A revision without a change is one that watchers are not told of."""

    generation: int = 1
    compacted: int = 0
    histories: dict[int, list[serving_pb2.LiveBundle | None]] = field(
        default_factory=lambda: {1: []}
    )
    """By generation: what each revision changed, from revision 1 on."""
    down: bool = False
    reads: int = 0
    before_changes: Callable[[int], None] = lambda _: None
    """Called with `after` before changes are read, in the reader's thread."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def revision(self) -> int:
        return len(self.histories[self.generation])

    def write(self, letter: str | None) -> None:
        """Change the alias of *letter*; None for a revision that changes no alias."""
        with self.lock:
            history = self.histories[self.generation]
            history.append(
                None
                if letter is None
                else serving_pb2.LiveBundle(
                    alias=alias(letter), revision=len(history) + 1, generation=self.generation
                )
            )

    def compact(self, revision: int) -> None:
        with self.lock:
            self.compacted = max(self.compacted, min(revision, self.revision))

    def restore(self, revision: int) -> None:
        """Go back to what was at *revision*, as a server on a restored copy does."""
        with self.lock:
            kept = self.histories[self.generation][:revision]
            self.generation += 1
            self.histories[self.generation] = [_of(change, self.generation) for change in kept]
            self.compacted = min(self.compacted, revision)

    def changes_of(
        self, generation: int, *, after: int, through: int, aliases: Iterable[str]
    ) -> list[tuple[int, str]]:
        """Return what a watcher of *aliases* must be told, as (revision, alias)."""
        wanted = frozenset(aliases)
        return [
            (change.revision, change.alias)
            for change in self.histories[generation][after:through]
            if change is not None and (not wanted or change.alias in wanted)
        ]

    def state_of(
        self, generation: int, revision: int, aliases: Iterable[str]
    ) -> list[tuple[int, str]]:
        """Return the present state that a watcher of *aliases* must be told at *revision*."""
        changes = self.changes_of(generation, after=0, through=revision, aliases=aliases)
        last = {name: number for number, name in changes}
        return sorted((number, name) for name, number in last.items())

    def state(self) -> Snapshot:
        """See Feed."""
        with self.lock:
            self._look()
            live: dict[str, serving_pb2.LiveBundle] = {}
            for change in self.histories[self.generation]:
                if change is not None:
                    live[change.alias] = change
            return Snapshot(generation=self.generation, revision=self.revision, live=live)

    def changes(self, *, after: int, limit: int) -> Batch:
        """See Feed."""
        self.before_changes(after)
        with self.lock:
            self._look()
            first = max(after, self.compacted)
            found: Sequence[serving_pb2.LiveBundle] = [
                change for change in self.histories[self.generation][first:] if change is not None
            ][:limit]
            return Batch(
                generation=self.generation,
                revision=found[-1].revision if len(found) == limit else self.revision,
                compacted=self.compacted,
                changes=tuple(found),
            )

    def _look(self) -> None:
        self.reads += 1
        if self.down:
            raise UnavailableError("the database is down")


def _of(change: serving_pb2.LiveBundle | None, generation: int) -> serving_pb2.LiveBundle | None:
    if change is None:
        return None
    copy = serving_pb2.LiveBundle()
    copy.CopyFrom(change)
    copy.generation = generation
    return copy


def told(live: Iterable[serving_pb2.LiveBundle]) -> list[tuple[int, str]]:
    return [(bundle.revision, bundle.alias) for bundle in live]
