"""The watch's promises, against a scripted server that is cut, replaced, restored and compacted."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.live import ALIAS, live_bundle
from trilock.client._resolver.watch import Message, OutOfStepError, Position, Watch
from trilock.client.live import LiveBundle

CANARY = "models/delay/aliases/canary"


def snapshot(*live: LiveBundle, revision: int, generation: int = 1) -> Message:
    return Message(position=(generation, revision), snapshot=True, live_bundles=live)


def change(*live: LiveBundle, revision: int, generation: int = 1) -> Message:
    return Message(position=(generation, revision), snapshot=False, live_bundles=live)


def test_it_begins_with_the_present_state_and_resumes_behind_what_it_took() -> None:
    watch = Watch([ALIAS])
    asked = [watch.resume_from()]

    changes = watch.take(snapshot(live_bundle(revision=4), revision=9))
    asked.append(watch.resume_from())

    assert changes == (live_bundle(revision=4),)
    assert asked == [(0, 0), (1, 10)]


def test_a_progress_mark_changes_nothing_but_the_place_to_resume() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(revision=4), revision=9))

    assert watch.take(change(revision=12)) == ()
    assert watch.resume_from() == (1, 13)
    assert watch.live == {ALIAS: live_bundle(revision=4)}


def test_what_was_told_is_not_told_again() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(revision=4), revision=4))

    assert watch.take(change(live_bundle(revision=4), revision=5)) == ()
    assert watch.take(snapshot(live_bundle(revision=4), revision=5)) == ()


def test_every_change_of_one_message_is_told_in_order() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(revision=1))

    first, second = live_bundle(bundle=2, revision=2), live_bundle(bundle=3, revision=3)

    assert watch.take(change(first, second, revision=3)) == (first, second)
    assert watch.live == {ALIAS: second}


def test_aliases_that_nobody_asked_for_are_left_out() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(alias=CANARY, revision=1), revision=1))

    assert watch.live == {}


def test_without_aliases_all_are_followed() -> None:
    watch = Watch([])
    watch.take(snapshot(live_bundle(alias=CANARY), live_bundle(), revision=1))

    assert set(watch.live) == {CANARY, ALIAS}


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(snapshot(live_bundle(revision=4), revision=8), id="its state is older"),
        pytest.param(
            snapshot(live_bundle(revision=99, generation=0), revision=99, generation=0),
            id="its generation is older",
        ),
        pytest.param(snapshot(live_bundle(revision=3), revision=11), id="one alias is older"),
        pytest.param(change(revision=8), id="the stream goes back"),
        pytest.param(change(revision=12, generation=2), id="a new generation without its state"),
    ],
)
def test_a_server_that_is_out_of_step_is_not_followed(message: Message) -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(revision=4), revision=9))

    with pytest.raises(OutOfStepError):
        watch.take(message)

    assert watch.live == {ALIAS: live_bundle(revision=4)}
    assert watch.resume_from() == (1, 10)


def test_what_an_earlier_process_knew_holds_back_a_server_that_is_behind() -> None:
    watch = Watch([ALIAS], known=[live_bundle(bundle=2, revision=7)])

    with pytest.raises(OutOfStepError, match="has models/delay/aliases/production at revision 5"):
        watch.take(snapshot(live_bundle(bundle=1, revision=5), revision=6))
    with pytest.raises(OutOfStepError):
        watch.take(snapshot(revision=6))

    assert watch.live == {ALIAS: live_bundle(bundle=2, revision=7)}


def test_a_restored_database_is_followed_though_its_revisions_are_lower() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(bundle=2, revision=7), revision=9))

    restored = live_bundle(bundle=1, revision=3, generation=2)

    assert watch.take(snapshot(restored, revision=4, generation=2)) == (restored,)


def test_an_alias_the_server_lost_is_kept_and_said_to_be_gone() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(revision=7), revision=9))
    watch.take(snapshot(revision=1, generation=2))

    assert watch.live == {ALIAS: live_bundle(revision=7)}
    assert watch.gone == {ALIAS}

    again = live_bundle(revision=2, generation=2)
    assert watch.take(change(again, revision=2, generation=2)) == (again,)
    assert watch.gone == set()


def test_the_present_state_mends_what_a_stream_left_out() -> None:
    watch = Watch([])
    watch.take(snapshot(revision=9))

    assert watch.take(snapshot(live_bundle(revision=7), revision=9)) == (live_bundle(revision=7),)


def test_after_compaction_the_present_state_is_asked_for() -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(live_bundle(revision=7), revision=9))
    watch.forget_position()

    assert watch.resume_from() == (0, 0)
    assert watch.take(snapshot(live_bundle(revision=20), revision=21)) == (
        live_bundle(revision=20),
    )


@dataclass
class Store:
    """A history of one generation."""

    generation: int
    history: list[LiveBundle] = field(default_factory=list)
    revision: int = 0
    compacted: int = 0

    def state(self, revision: int) -> tuple[LiveBundle, ...]:
        """Return what was live at *revision*."""
        live = {one.alias: one for one in self.history if one.revision <= revision}
        return tuple(live.values())

    def branch(self, generation: int, revision: int) -> "Store":
        """Return what a copy from *revision* becomes when it is restored."""
        kept = [
            replace(live, generation=generation)
            for live in self.history
            if live.revision <= revision
        ]
        return Store(generation=generation, history=kept, revision=revision)


class ScriptedServer(RuleBasedStateMachine):
    """Every order of changes, cuts, replicas that lag, compactions and restores."""

    @initialize(known=st.booleans())
    def begin(self, *, known: bool) -> None:
        self.store = Store(generation=1)
        self.told: list[LiveBundle] = []
        self.stream: Iterator[Message] | None = None
        # Changes that the watch must have told, once it has seen as far.
        self.since: Position = (0, 0)
        self.watch = Watch([])
        if known:
            self.commit(alias=ALIAS)
            self.watch = Watch([], known=self.store.history)
            self.told = list(self.store.history)

    @rule(alias=st.sampled_from([ALIAS, CANARY]))
    def commit(self, alias: str) -> None:
        self.store.revision += 1
        self.store.history.append(
            live_bundle(
                alias=alias,
                bundle=self.store.revision,
                revision=self.store.revision,
                generation=self.store.generation,
            )
        )

    @rule()
    def change_something_else(self) -> None:
        self.store.revision += 1

    @rule(share=st.floats(0, 1))
    def compact(self, share: float) -> None:
        self.store.compacted = int(self.store.revision * share)

    @rule(share=st.floats(0, 1))
    def restore_from_a_copy(self, share: float) -> None:
        self.store = self.store.branch(self.store.generation + 1, int(self.store.revision * share))
        self.stream = None

    @precondition(lambda self: self.stream is None)
    @rule(lag=st.integers(0, 3), chunk=st.integers(1, 4))
    def connect(self, lag: int, chunk: int) -> None:
        """Open a stream to a replica that is *lag* revisions behind."""
        at = max(0, self.store.revision - lag)
        generation, start = self.watch.resume_from()
        if start and generation == self.store.generation and start <= self.store.compacted:
            self.watch.forget_position()
        elif start and generation == self.store.generation:
            self.stream = self.follow(start=start, at=at, chunk=chunk)
        else:
            self.stream = self.snapshot_then_follow(at=at, chunk=chunk)

    def snapshot_then_follow(self, *, at: int, chunk: int) -> Iterator[Message]:
        store = self.store
        live = store.state(at)
        yield Message(position=(store.generation, at), snapshot=True, live_bundles=live)
        yield from self.follow(start=at + 1, at=at, chunk=chunk)

    def follow(self, *, start: int, at: int, chunk: int) -> Iterator[Message]:
        store, told = self.store, start - 1
        if at < told:
            yield Message(position=(store.generation, at), snapshot=False, live_bundles=())
        while True:
            until = min(store.revision, told + chunk)
            live = tuple(one for one in store.history if told < one.revision <= until)
            told = until
            yield Message(position=(store.generation, until), snapshot=False, live_bundles=live)

    @precondition(lambda self: self.stream is not None)
    @rule()
    def deliver(self) -> None:
        assert self.stream is not None
        before = self.watch.seen
        message = next(self.stream)
        try:
            self.told += self.watch.take(message)
        except OutOfStepError:
            self.stream = None
            return
        if message.snapshot or before[0] != message.position[0]:
            self.since = message.position

    @precondition(lambda self: self.stream is not None)
    @rule()
    def cut(self) -> None:
        self.stream = None

    @invariant()
    def never_back_and_never_twice(self) -> None:
        for alias in (ALIAS, CANARY):
            positions = [live.position for live in self.told if live.alias == alias]
            assert positions == sorted(set(positions))

    @invariant()
    def no_gap(self) -> None:
        generation, seen = self.watch.seen
        if generation != self.store.generation:
            return
        _, since = self.since
        owed = [live for live in self.store.history if since < live.revision <= seen]
        assert [live for live in self.told if live in owed] == owed

    @invariant()
    def what_is_told_is_what_is_known(self) -> None:
        assert dict(self.watch.live) == {live.alias: live for live in self.told}


TestScriptedServer = ScriptedServer.TestCase


@given(revisions=st.lists(st.integers(1, 20), min_size=1))
def test_whatever_a_stream_says_an_alias_never_goes_back(revisions: list[int]) -> None:
    watch = Watch([ALIAS])
    watch.take(snapshot(revision=1))
    positions = []
    for revision in revisions:
        live = live_bundle(bundle=revision, revision=revision)
        try:
            watch.take(change(live, revision=revision))
        except OutOfStepError:
            continue
        positions.append(watch.live[ALIAS].revision if ALIAS in watch.live else 0)

    assert positions == sorted(positions)
