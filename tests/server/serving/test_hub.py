"""The watch hub, one guarantee after the other."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.server.serving.fake_feed import FakeFeed, alias, told
from trilock.server.domain.errors import (
    NotFoundError,
    RevisionCompactedError,
    UnavailableError,
)
from trilock.server.serving.hub import Hub
from trilock.v1 import serving_service_pb2

Stream = AsyncGenerator[serving_service_pb2.WatchResponse, None]

DEADLINE = 10.0
NEVER = 3600.0


@asynccontextmanager
async def following(
    feed: FakeFeed, *, poll: float = NEVER, progress: float = NEVER, recent: int = 100
) -> AsyncIterator[Hub]:
    hub = Hub(feed, poll=poll, progress=progress, recent=recent)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.close()


async def following_message(stream: Stream) -> serving_service_pb2.WatchResponse:
    return await asyncio.wait_for(anext(stream), DEADLINE)


async def seen(hub: Hub, revision: int) -> None:
    """Return when the hub has seen *revision*."""
    hub.nudge()
    await hub._reach(revision, seconds=DEADLINE)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def feed_of(letters: str) -> FakeFeed:
    """Return a feed with one change a letter; `-` is a revision that changes no alias."""
    feed = FakeFeed()
    for letter in letters:
        feed.write(None if letter == "-" else letter)
    return feed


def test_the_first_message_is_the_present_state() -> None:
    async def scenario() -> None:
        async with following(feed_of("aab")) as hub:
            message = await following_message(hub.watch(frozenset(), start=0, generation=0))

        assert message.snapshot
        assert (message.generation, message.revision) == (1, 3)
        assert told(message.live_bundles) == [(2, alias("a")), (3, alias("b"))]

    run(scenario)


def test_a_watcher_is_told_its_aliases_only_and_how_far_it_has_seen() -> None:
    async def scenario() -> None:
        feed = feed_of("ab")
        async with following(feed) as hub:
            stream = hub.watch(frozenset({alias("b")}), start=0, generation=0)
            first = await following_message(stream)
            for letter in "aab-":
                feed.write(letter if letter != "-" else None)
            await seen(hub, 6)
            second = await following_message(stream)

        assert told(first.live_bundles) == [(2, alias("b"))]
        assert not second.snapshot
        assert told(second.live_bundles) == [(5, alias("b"))]
        assert second.revision == 6

    run(scenario)


def test_a_watcher_of_nothing_yet_is_told_when_it_comes_to_be() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed) as hub:
            stream = hub.watch(frozenset({alias("z")}), start=0, generation=0)
            first = await following_message(stream)
            feed.write("z")
            hub.nudge()
            second = await following_message(stream)

        assert (first.snapshot, told(first.live_bundles)) == (True, [])
        assert told(second.live_bundles) == [(2, alias("z"))]

    run(scenario)


def test_the_start_is_inclusive_and_there_is_no_present_state_then() -> None:
    async def scenario() -> None:
        async with following(feed_of("aaaa")) as hub:
            message = await following_message(hub.watch(frozenset(), start=2, generation=1))

        assert not message.snapshot
        assert told(message.live_bundles) == [(2, alias("a")), (3, alias("a")), (4, alias("a"))]

    run(scenario)


def test_who_resumes_with_nothing_missed_is_told_so_at_once() -> None:
    async def scenario() -> None:
        async with following(feed_of("aa")) as hub:
            message = await following_message(hub.watch(frozenset(), start=3, generation=1))

        assert (told(message.live_bundles), message.revision, message.snapshot) == ([], 2, False)

    run(scenario)


def test_a_start_that_is_still_to_come_is_waited_for() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed) as hub:
            stream = hub.watch(frozenset(), start=3, generation=1)
            waiting = asyncio.ensure_future(following_message(stream))
            feed.write("b")
            await seen(hub, 2)
            feed.write("c")
            hub.nudge()
            message = await waiting

        assert told(message.live_bundles) == [(3, alias("c"))]

    run(scenario)


def test_one_that_was_away_for_longer_than_memory_is_caught_up_from_the_database() -> None:
    async def scenario() -> None:
        feed = feed_of("abcdefgh")
        async with following(feed, recent=2) as hub:
            message = await following_message(hub.watch(frozenset(), start=3, generation=1))

        assert [number for number, _ in told(message.live_bundles)] == [3, 4, 5, 6, 7, 8]
        assert message.revision == 8

    run(scenario)


def test_a_restarted_server_resumes_those_who_were_there_from_memory() -> None:
    async def scenario() -> None:
        feed = feed_of("abcd")
        async with following(feed) as hub:
            feed.down = True
            message = await following_message(hub.watch(frozenset(), start=2, generation=1))

        assert [number for number, _ in told(message.live_bundles)] == [2, 3, 4]

    run(scenario)


def test_what_is_compacted_is_said_to_be() -> None:
    async def scenario() -> None:
        feed = feed_of("abcdefgh")
        feed.compact(5)
        async with following(feed) as hub:
            with pytest.raises(RevisionCompactedError) as caught:
                await following_message(hub.watch(frozenset(), start=5, generation=1))
            message = await following_message(hub.watch(frozenset(), start=6, generation=1))

        assert caught.value.metadata == {"wanted": "5", "oldest": "6"}
        assert [number for number, _ in told(message.live_bundles)] == [6, 7, 8]

    run(scenario)


def test_a_slow_watcher_delays_neither_writers_nor_others() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed, recent=3) as hub:
            slow = hub.watch(frozenset(), start=0, generation=0)
            quick = hub.watch(frozenset(), start=0, generation=0)
            await following_message(slow)
            await following_message(quick)
            for number in range(2, 12):
                feed.write("a")
                await seen(hub, number)
                assert told((await following_message(quick)).live_bundles) == [(number, alias("a"))]
            caught_up = await following_message(slow)

        assert [number for number, _ in told(caught_up.live_bundles)] == list(range(2, 12))

    run(scenario)


def test_an_idle_watcher_is_told_how_far_it_has_seen() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed, poll=0.01, progress=0.01) as hub:
            stream = hub.watch(frozenset({alias("a")}), start=0, generation=0)
            await following_message(stream)
            feed.write("b")
            await seen(hub, 2)
            marks = [await following_message(stream) for _ in range(2)]

        assert [told(mark.live_bundles) for mark in marks] == [[], []]
        assert marks[1].revision == 2

    run(scenario)


async def last_before_silence(stream: Stream) -> asyncio.Task[serving_service_pb2.WatchResponse]:
    """Read until no message comes for half a second; return the read that still waits."""
    while True:
        waiting = asyncio.ensure_future(following_message(stream))
        done, _ = await asyncio.wait((waiting,), timeout=0.5)
        if not done:
            return waiting


def test_what_the_database_does_not_vouch_for_is_not_marked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed, poll=0.01, progress=0.01) as hub:
            stream = hub.watch(frozenset(), start=0, generation=0)
            feed.down = True
            waiting = await last_before_silence(stream)
            assert (await hub.resolve(alias("a"), min_revision=1, seconds=0)).revision == 1
            feed.down = False
            await waiting

    run(scenario)
    warned = [record for record in caplog.records if "serving from memory" in record.message]
    assert len(warned) == 1


def test_a_restored_database_is_a_new_present_state() -> None:
    async def scenario() -> None:
        feed = feed_of("abc")
        async with following(feed) as hub:
            stream = hub.watch(frozenset(), start=0, generation=0)
            await following_message(stream)
            feed.restore(1)
            hub.nudge()
            message = await following_message(stream)
            with pytest.raises(RevisionCompactedError):
                await following_message(hub.watch(frozenset(), start=4, generation=1))
            with pytest.raises(UnavailableError):
                await following_message(hub.watch(frozenset(), start=4, generation=3))

        assert message.snapshot
        assert (message.generation, message.revision) == (2, 1)
        assert told(message.live_bundles) == [(1, alias("a"))]

    run(scenario)


def test_a_restore_in_the_middle_of_a_catch_up_mixes_no_histories() -> None:
    async def scenario() -> None:
        feed = feed_of("abcdef")
        async with following(feed, recent=1) as hub:
            begun, restored = threading.Event(), threading.Event()

            def catch_up_waits(after: int) -> None:
                if after == 0:
                    begun.set()
                    assert restored.wait(DEADLINE)

            feed.before_changes = catch_up_waits
            stream = hub.watch(frozenset(), start=1, generation=1)
            waiting = asyncio.ensure_future(following_message(stream))
            assert await asyncio.to_thread(begun.wait, DEADLINE)
            feed.restore(2)
            while hub.snapshot.generation == 1:
                await hub._look_again()
            restored.set()
            message = await waiting

        assert (message.snapshot, message.generation) == (True, 2)
        assert told(message.live_bundles) == [(1, alias("a")), (2, alias("b"))]

    run(scenario)


def test_a_change_between_the_first_two_reads_is_told_once() -> None:
    async def scenario() -> None:
        feed = feed_of("ab")

        def write_once(_: int) -> None:
            feed.before_changes = lambda _: None
            feed.write("c")

        feed.before_changes = write_once
        async with following(feed) as hub:
            await seen(hub, 3)
            message = await following_message(hub.watch(frozenset(), start=1, generation=1))

        assert [number for number, _ in told(message.live_bundles)] == [1, 2, 3]

    run(scenario)


def test_a_database_that_went_back_unmarked_changes_nothing() -> None:
    async def scenario() -> None:
        feed = feed_of("abc")
        async with following(feed) as hub:
            del feed.histories[1][1:]
            with pytest.raises(UnavailableError):
                await hub._look()
            assert hub.snapshot.revision == 3

    run(scenario)


def test_resolve_answers_from_memory_and_waits_for_what_the_caller_has_seen() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed) as hub:
            feed.down = True
            assert (await hub.resolve(alias("a"), min_revision=1, seconds=0)).revision == 1

            feed.down = False
            feed.write("a")
            found = await hub.resolve(alias("a"), min_revision=2, seconds=DEADLINE)
            assert found.revision == 2

            with pytest.raises(UnavailableError, match="revision 3 was not seen yet, only 2"):
                await hub.resolve(alias("a"), min_revision=3, seconds=0.01)
            with pytest.raises(NotFoundError):
                await hub.resolve(alias("z"), min_revision=0, seconds=0)

    run(scenario)


def test_streams_end_when_the_hub_is_closed() -> None:
    async def scenario() -> None:
        async with following(feed_of("a")) as hub:
            stream = hub.watch(frozenset(), start=0, generation=0)
            await following_message(stream)
            waiting = asyncio.ensure_future(following_message(stream))
        with pytest.raises(UnavailableError):
            await waiting

    run(scenario)


def test_a_message_is_of_bounded_size() -> None:
    async def scenario() -> None:
        feed = FakeFeed()
        for _ in range(5):
            feed.write("a")
        for change in feed.histories[1]:
            assert change is not None
            change.live.serving_config["blob"] = "x" * 400_000
        async with following(feed) as hub:
            stream = hub.watch(frozenset(), start=1, generation=1)
            messages = [await following_message(stream) for _ in range(3)]

        assert [len(message.live_bundles) for message in messages] == [2, 2, 1]
        assert [message.revision for message in messages] == [2, 4, 5]

    run(scenario)


def test_an_answer_is_made_once_and_is_of_the_present() -> None:
    async def scenario() -> None:
        feed = feed_of("a")
        async with following(feed) as hub:
            first = hub.answer(alias("a"), min_revision=1)
            assert first is not None
            assert first.live_bundle.revision == 1
            assert hub.answer(alias("a"), min_revision=0) is first
            assert hub.answer(alias("b"), min_revision=0) is None
            assert hub.answer(alias("a"), min_revision=2) is None
            assert hub.answer(alias("a"), min_revision=-1) is None
            feed.write("a")
            await seen(hub, 2)
            second = hub.answer(alias("a"), min_revision=2)
            assert second is not None
            assert second.live_bundle.revision == 2

    run(scenario)
