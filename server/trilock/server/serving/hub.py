"""The watch hub: tells every watcher every change, with etcd's guarantees.

* Ordered: by revision, which only grows within a generation.
* Without gap and without repeat, also over a reconnect: a stream that resumes
  from `revision + 1` of what it last saw goes on as if it had never ended.
* Inclusive: `start` is the first revision that is sent.
* The first message of a stream without `start` is the present state.
* Progress marks tell an idle watcher how far it has seen. They vouch for it:
  while the database does not answer, there are none.
* OUT_OF_RANGE when what was asked for is no longer kept.

Nobody waits for a reader: there are no queues. A watcher takes what is past its
own revision from the recent changes, as fast as it can; one that is too slow for
that, or was away for too long, is caught up from the database's events.

A new generation means that the database was restored from a copy: what came
after the copy never happened. Every watcher is then told the present state.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Final

from trilock.server.domain.errors import (
    NotFoundError,
    RevisionCompactedError,
    TrilockError,
    UnavailableError,
)
from trilock.server.serving.bell import Bell
from trilock.server.serving.feed import Feed
from trilock.server.serving.snapshot import Snapshot
from trilock.v1 import serving_pb2, serving_service_pb2

_log = logging.getLogger(__name__)

_BATCH: Final = 500
"""How many changes are read at once."""

_MESSAGE_BYTES: Final = 1 << 20
"""A message is ended at this size: gRPC's own limit for a reader is 4 MiB."""

_CATCH_UPS: Final = 4
"""How many watchers are caught up from the database at the same time."""

_STALE_POLLS: Final = 3
"""After so many looks without an answer, memory is not vouched for any more."""

Aliases = frozenset[str]
"""Which aliases a watcher asks for; empty for all."""


class Hub:
    """Follows the database, and keeps what is live in memory for all readers."""

    def __init__(
        self, feed: Feed, *, poll: float = 2.0, progress: float = 15.0, recent: int = 1000
    ) -> None:
        """Make a hub that is not started.

        Args:
            feed: What to follow.
            poll: How often to look without being nudged, seconds.
            progress: How long a watcher is told nothing before a progress mark, seconds.
            recent: How many changes are kept in memory.
        """
        self._feed = feed
        self._poll = poll
        self._progress = progress
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._nudged = Bell(loop)
        self._advanced = Bell(loop)
        """Rung when the revision has grown."""
        self._changed = Bell(loop)
        """Rung when there is something to tell to watchers."""
        self._snapshot = Snapshot(generation=0, revision=0, live={})
        self._recent: deque[serving_pb2.LiveBundle] = deque()
        self._kept = recent
        self._floor = 0
        """All changes after this revision are in `_recent`."""
        self._made: dict[tuple[Aliases, int, int], Sequence[serving_service_pb2.WatchResponse]] = {}
        """Messages about the present snapshot."""
        self._answers: dict[str, serving_service_pb2.ResolveResponse] = {}
        """Answers about the present snapshot, by alias."""
        self._looked = 0.0
        self._catching_up = asyncio.Semaphore(_CATCH_UPS)
        self._follower: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def snapshot(self) -> Snapshot:
        """What is live."""
        return self._snapshot

    async def start(self) -> None:
        """Read the present state and begin to follow.

        Raises:
            UnavailableError: The database does not answer.
        """
        await self._reload()
        after = max(0, self._snapshot.revision - self._kept)
        batch = await asyncio.to_thread(self._feed.changes, after=after, limit=self._kept)
        if batch.generation == self._snapshot.generation:
            # So that those who were there before a restart resume from memory.
            self._floor = max(after, batch.compacted)
            known = self._snapshot.revision
            self._recent.extend(c for c in batch.changes if self._floor < c.revision <= known)
        self._follower = self._loop.create_task(self._follow(), name="watch hub")

    async def close(self) -> None:
        """Stop following; end every stream, to be resumed elsewhere. Idempotent."""
        self._closing = True
        self._changed.ring_here()
        self._advanced.ring_here()
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    def nudge(self) -> None:
        """Have the hub look at once. From any thread."""
        self._nudged.ring()

    def answer(
        self, alias: str, *, min_revision: int
    ) -> serving_service_pb2.ResolveResponse | None:
        """Return the answer to who asks for *alias*, if there is nothing to wait for.

        Made once for all who ask, until something changes: nobody may change it. None for
        whatever `resolve` has to look at: also a name that is none.
        """
        snapshot = self._snapshot
        if not 0 <= min_revision <= snapshot.revision:
            return None
        known = self._answers.get(alias)
        if known is None and (live := snapshot.live.get(alias)) is not None:
            known = serving_service_pb2.ResolveResponse(live_bundle=live)
            self._answers[alias] = known
        return known

    async def resolve(
        self, alias: str, *, min_revision: int, seconds: float
    ) -> serving_pb2.LiveBundle:
        """Return what is live on *alias*, as of *min_revision* or later.

        Args:
            alias: `models/{model}/aliases/{alias}`.
            min_revision: What the caller has seen already; 0 for anything.
            seconds: How long to wait for *min_revision*.

        Raises:
            NotFoundError: Nothing was ever released there.
            UnavailableError: *min_revision* was not reached in time.
        """
        if self._snapshot.revision < min_revision:
            await self._reach(min_revision, seconds=seconds)
        found = self._snapshot.live.get(alias)
        if found is None:
            raise NotFoundError(alias, hint="nothing was ever released there")
        return found

    async def watch(
        self, aliases: Aliases, *, start: int, generation: int
    ) -> AsyncGenerator[serving_service_pb2.WatchResponse, None]:
        """Yield the changes of *aliases* until the caller stops.

        Args:
            aliases: Which; none for all.
            start: The first revision to tell; 0 to begin with the present state.
            generation: What generation *start* is of; 0 for the present one.

        Raises:
            RevisionCompactedError: *start* is no longer kept, or of another history.
            UnavailableError: The server stops, or has not seen *generation* yet.
        """
        self._require_known(start=start, generation=generation)
        told = self._snapshot.generation if start else 0
        cursor = start - 1
        due = float("-inf")
        while True:
            if self._closing:
                raise UnavailableError("the server stops; watch again, from the next revision")
            ticket = self._changed.ticket()
            if told != self._snapshot.generation:
                whole = _whole(self._snapshot, aliases)
                told, cursor = whole.generation, whole.revision
                yield whole
                due = self._loop.time() + self._progress
                continue
            changes, seen = await self._after(cursor)
            if told != self._snapshot.generation:
                continue
            messages = self._messages(aliases, changes, after=cursor, seen=seen)
            for message in messages:
                yield message
            cursor = seen
            if messages:
                due = self._loop.time() + self._progress
            elif self._loop.time() >= due:
                if self._vouches_for(cursor):
                    yield serving_service_pb2.WatchResponse(revision=cursor, generation=told)
                due = self._loop.time() + self._progress
            if cursor >= self._snapshot.revision:
                await self._changed.wait(ticket, seconds=due - self._loop.time())

    def _messages(
        self,
        aliases: Aliases,
        changes: Sequence[serving_pb2.LiveBundle],
        *,
        after: int,
        seen: int,
    ) -> Sequence[serving_service_pb2.WatchResponse]:
        """Return what a watcher of *aliases* is told of *changes*, from *after* to *seen*."""
        if not changes:
            return ()
        # Most watchers are at the same revision and are told the same: made once for all.
        key = (aliases, after, seen)
        made = self._made.get(key)
        if made is None:
            wanted = (change for change in changes if not aliases or change.alias in aliases)
            generation = self._snapshot.generation
            made = self._made[key] = tuple(_split(wanted, seen=seen, generation=generation))
        return made

    async def _after(self, cursor: int) -> tuple[Sequence[serving_pb2.LiveBundle], int]:
        """Return changes after revision *cursor*, oldest first, and how far they reach."""
        if cursor >= self._floor:
            found: list[serving_pb2.LiveBundle] = []
            for change in reversed(self._recent):
                if change.revision <= cursor:
                    break
                found.append(change)
            return found[::-1], max(cursor, self._snapshot.revision)
        async with self._catching_up:
            batch = await asyncio.to_thread(self._feed.changes, after=cursor, limit=_BATCH)
        if batch.generation != self._snapshot.generation:
            # Restored from a copy, and seen here first: `_follow` has to see it too.
            await self._look_again()
            return (), cursor
        if batch.compacted > cursor:
            raise RevisionCompactedError(wanted=cursor + 1, oldest=batch.compacted + 1)
        # A watcher is never told more than what is in memory: `resolve` must not go back.
        seen = min(batch.revision, self._snapshot.revision)
        return [change for change in batch.changes if change.revision <= seen], seen

    def _require_known(self, *, start: int, generation: int) -> None:
        if not start or generation in {0, self._snapshot.generation}:
            return
        if generation > self._snapshot.generation:
            raise UnavailableError(f"this server has not seen generation {generation} yet")
        # The revision is of a history that a restored copy has taken the place of.
        raise RevisionCompactedError(wanted=start, oldest=self._snapshot.revision + 1)

    def _vouches_for(self, cursor: int) -> bool:
        """Whether nothing after *cursor* is known, and the database was looked at just now."""
        fresh = self._loop.time() - self._looked <= _STALE_POLLS * self._poll
        return fresh and cursor <= self._snapshot.revision

    async def _reach(self, revision: int, *, seconds: float) -> None:
        until = self._loop.time() + seconds
        self.nudge()
        while self._snapshot.revision < revision:
            ticket = self._advanced.ticket()
            left = until - self._loop.time()
            if self._closing or left <= 0:
                raise UnavailableError(
                    f"revision {revision} was not seen yet, only {self._snapshot.revision}"
                )
            await self._advanced.wait(ticket, seconds=left)

    async def _look_again(self) -> None:
        ticket = self._advanced.ticket()
        self.nudge()
        await self._advanced.wait(ticket, seconds=self._poll)

    async def _follow(self) -> None:
        failing = False
        while True:
            ticket = self._nudged.ticket()
            more = False
            try:
                more = await self._look()
                if failing:
                    _log.info("the database answers again")
                failing = False
            except Exception as error:  # noqa: BLE001 - whatever it is, serving goes on
                if not failing:
                    _log.warning("cannot follow the database, serving from memory: %s", error)
                if not (failing or isinstance(error, TrilockError)):
                    _log.error("this is a defect of trilock", exc_info=error)
                failing = True
            if not more:
                await self._nudged.wait(ticket, seconds=self._poll)

    async def _look(self) -> bool:
        """Bring memory up to the database; return whether there may be more."""
        known = self._snapshot
        batch = await asyncio.to_thread(self._feed.changes, after=known.revision, limit=_BATCH)
        if batch.generation != known.generation or batch.compacted > known.revision:
            await self._reload()
            return True
        if batch.revision < known.revision:
            raise UnavailableError(
                f"it is at revision {batch.revision}, {known.revision} was seen already: was it "
                "restored from a copy? Then stop it, run `trilock restored`, and start it again"
            )
        self._looked = self._loop.time()
        if batch.revision == known.revision:
            return False
        self._snapshot = known.advanced(batch.changes, revision=batch.revision)
        self._made.clear()
        self._answers.clear()
        self._recent.extend(batch.changes)
        while len(self._recent) > self._kept:
            self._floor = self._recent.popleft().revision
        self._advanced.ring_here()
        if batch.changes:
            self._changed.ring_here()
        return len(batch.changes) == _BATCH

    async def _reload(self) -> None:
        """Take the present state anew; nothing is known of how it came to be."""
        self._snapshot = await asyncio.to_thread(self._feed.state)
        self._recent.clear()
        self._made.clear()
        self._answers.clear()
        self._floor = self._snapshot.revision
        self._looked = self._loop.time()
        self._advanced.ring_here()
        self._changed.ring_here()


def _whole(snapshot: Snapshot, aliases: Aliases) -> serving_service_pb2.WatchResponse:
    names = sorted(aliases & snapshot.live.keys() if aliases else snapshot.live)
    return serving_service_pb2.WatchResponse(
        live_bundles=[snapshot.live[name] for name in names],
        revision=snapshot.revision,
        generation=snapshot.generation,
        snapshot=True,
    )


def _split(
    changes: Iterable[serving_pb2.LiveBundle], *, seen: int, generation: int
) -> Iterator[serving_service_pb2.WatchResponse]:
    """Yield *changes* in messages of bounded size; the last one reaches to *seen*."""
    part: list[serving_pb2.LiveBundle] = []
    size = 0
    for change in changes:
        if part and size + change.ByteSize() > _MESSAGE_BYTES:
            yield serving_service_pb2.WatchResponse(
                live_bundles=part, revision=part[-1].revision, generation=generation
            )
            part, size = [], 0
        part.append(change)
        size += change.ByteSize()
    if part:
        yield serving_service_pb2.WatchResponse(
            live_bundles=part, revision=seen, generation=generation
        )
