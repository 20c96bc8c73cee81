"""Whatever happens in which order, every watcher is told exactly what it must be told."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.serving.fake_feed import FakeFeed, alias, told
from trilock.server.domain.errors import RevisionCompactedError, UnavailableError
from trilock.server.serving import hub as hub_module
from trilock.server.serving.hub import Hub

DEADLINE = 10.0
WATCHERS = 3
FILTERS = (frozenset[str](), frozenset({alias("a")}), frozenset({alias("a"), alias("b")}))

watchers = st.integers(0, WATCHERS - 1)
actions = st.one_of(
    st.tuples(st.just("write"), st.text("abc-", min_size=1, max_size=9)),
    st.tuples(st.just("read"), watchers),
    st.tuples(st.just("read"), watchers),
    st.tuples(st.just("reconnect"), watchers),
    st.tuples(st.just("see"), st.none()),
    st.tuples(st.just("compact"), st.integers(0, 40)),
    st.tuples(st.just("restore"), st.integers(0, 40)),
)


@dataclass(kw_only=True, eq=False)
class Watcher:
    """A client that keeps the rules: resumes behind what it saw, and checks every message."""

    feed: FakeFeed
    hub: Hub
    aliases: frozenset[str]
    stream: Any = None
    generation: int = 0
    revision: int = 0
    fresh: bool = True
    """Whether nothing was told on this stream yet."""
    whole: bool = field(default=True)
    """Whether the stream begins with the present state."""

    def open(self) -> None:
        self.whole = self.generation == 0
        self.stream = self.hub.watch(
            self.aliases,
            start=0 if self.whole else self.revision + 1,
            generation=self.generation,
        )
        self.fresh = True

    async def reconnect(self) -> None:
        await self.stream.aclose()
        self.open()

    @property
    def owed(self) -> bool:
        """Whether a message must come without anything more happening."""
        feed = self.feed
        if self.fresh or self.generation != feed.generation:
            return True
        return bool(
            feed.changes_of(
                feed.generation, after=self.revision, through=feed.revision, aliases=self.aliases
            )
        )

    async def read(self) -> None:
        """Read one message, if one is owed, and check it against the history."""
        if not self.owed:
            return
        self.hub.nudge()
        try:
            message = await asyncio.wait_for(anext(self.stream), DEADLINE)
        except RevisionCompactedError:
            # Only if it is so: what was asked for is dropped, or of another history.
            asked = self.revision + 1
            old = self.generation != self.feed.generation
            assert old or asked <= self.feed.compacted
            self.generation = self.revision = 0
            self.open()
            return
        except UnavailableError:
            # The hub has not seen yet that the database was restored.
            assert self.generation > self.hub.snapshot.generation
            self.open()
            return
        self._check(message)

    def _check(self, message: Any) -> None:
        position = (message.generation, message.revision)
        assert position >= (self.generation, self.revision)
        if message.snapshot:
            assert (self.fresh and self.whole) or message.generation > self.generation
            assert sorted(told(message.live_bundles)) == self.feed.state_of(
                message.generation, message.revision, self.aliases
            )
        else:
            assert message.generation == self.generation
            assert told(message.live_bundles) == self.feed.changes_of(
                message.generation,
                after=self.revision,
                through=message.revision,
                aliases=self.aliases,
            )
        self.generation, self.revision = position
        self.fresh = False


async def play(script: list[tuple[str, Any]], recent: int) -> None:
    feed = FakeFeed()
    hub = Hub(feed, poll=3600, progress=3600, recent=recent)
    await hub.start()
    clients = [Watcher(feed=feed, hub=hub, aliases=aliases) for aliases in FILTERS]
    for client in clients:
        client.open()
    try:
        for action, argument in script:
            await act(action, argument, feed=feed, hub=hub, clients=clients)
        # In the end everybody gets to the end.
        for client in clients:
            while client.owed:
                await client.read()
    finally:
        for client in clients:
            await client.stream.aclose()
        await hub.close()


async def act(
    action: str, argument: Any, *, feed: FakeFeed, hub: Hub, clients: list[Watcher]
) -> None:
    if action == "write":
        for letter in argument:
            feed.write(None if letter == "-" else letter)
    elif action == "read":
        await clients[argument].read()
    elif action == "reconnect":
        await clients[argument].reconnect()
    elif action == "compact":
        feed.compact(argument)
    elif action == "restore":
        feed.restore(min(argument, feed.revision))
    # Some changes are seen one by one, others only when somebody reads.
    while action == "see" and position(hub) != (feed.generation, feed.revision):
        await hub._look_again()


def position(hub: Hub) -> tuple[int, int]:
    return (hub.snapshot.generation, hub.snapshot.revision)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_BATCH", 3)


@settings(max_examples=150, deadline=None)
@given(script=st.lists(actions, max_size=40), recent=st.integers(1, 6))
def test_no_gap_no_repeat_never_backwards(script: list[tuple[str, Any]], recent: int) -> None:
    asyncio.run(play(script, recent))
