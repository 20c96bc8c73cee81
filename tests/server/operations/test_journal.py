"""What callers may ask of operations."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.operations import (
    CANDIDATE,
    NOBODY,
    MemoryOutside,
    World,
    plan,
    register,
    stop_at,
)
from tests.support.values import ALIAS, release_ref
from trilock.server.domain.errors import (
    BusyError,
    NotFoundError,
    PreconditionError,
    RequestIdReusedError,
    WrongStateError,
)
from trilock.server.domain.names import OperationId
from trilock.server.domain.operation import OperationKind, OperationState, StepState
from trilock.server.store.requests import claim_request


def test_an_operation_starts_with_nothing_done(world: World) -> None:
    operation = world.promote(1)

    assert operation.state is OperationState.RUNNING
    assert operation.kind is OperationKind.PROMOTE
    assert operation.alias == ALIAS
    assert operation.release == release_ref(1)
    assert [step.state for step in operation.steps] == [StepState.PENDING] * 4
    assert [step.title for step in operation.steps] == [
        "set staging to s1",
        "count up",
        "set features to f1",
        "switch models/delay/aliases/production",
    ]
    assert operation.next_try is None
    assert world.journal.get(operation.id) == operation


def test_a_repeated_request_is_the_same_operation(world: World) -> None:
    first = world.promote(1, request_id="r-1")
    world.run()

    again = world.promote(1, request_id="r-1")

    assert again.id == first.id
    assert again.state is OperationState.SUCCEEDED
    assert len(world.journal.list()) == 1


def test_a_request_id_means_one_thing(world: World) -> None:
    world.promote(1, request_id="r-1")

    with pytest.raises(RequestIdReusedError):
        world.promote(2, request_id="r-1")
    assert len(world.journal.list()) == 1


def test_a_request_id_that_recorded_something_starts_nothing(world: World) -> None:
    with world.database.write() as session:
        claim_request(session, "r-1", "recorded")

    with pytest.raises(RequestIdReusedError):
        world.promote(1, request_id="r-1")


def test_requests_without_an_id_are_different_ones(world: World) -> None:
    first = world.promote(1)
    second = world.promote(1, alias=CANDIDATE)

    assert first.id != second.id


def test_many_submits_of_one_request_start_one_operation(world: World) -> None:
    with ThreadPoolExecutor(16) as pool:
        submits = [pool.submit(world.promote, 1, request_id="r-1") for _ in range(64)]
        ids = {submit.result().id for submit in submits}

    assert len(ids) == 1
    assert len(world.journal.list()) == 1


def test_a_taken_scope_is_refused_and_names_its_holder(world: World) -> None:
    holder = world.promote(1)

    with pytest.raises(BusyError) as caught:
        world.promote(2)

    assert caught.value.operation == f"operations/{holder.id}"
    assert str(caught.value) == (
        f"models/delay/aliases/production is locked by operations/{holder.id}"
    )
    assert len(world.journal.list()) == 1


def test_another_scope_is_free(world: World) -> None:
    world.promote(1)
    world.promote(2, alias=CANDIDATE)

    world.run()

    assert [operation.state for operation in world.journal.list()] == [
        OperationState.SUCCEEDED,
        OperationState.SUCCEEDED,
    ]


def test_the_scope_is_free_again_at_the_pivot(world: World, outside: MemoryOutside) -> None:
    outside.down = {"alias"}
    first = world.promote(1)
    world.runner.run_due()
    assert world.journal.get(first.id).state is OperationState.CONVERGING

    second = world.promote(2)

    assert second.state is OperationState.RUNNING


def test_the_scope_is_free_again_when_it_turned_back(world: World) -> None:
    world.promote(1, trouble="refused")
    world.run()

    assert world.promote(2).state is OperationState.RUNNING


class TestCancel:
    def test_it_turns_back_before_it_does_anything_else(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = world.promote(1)

        cancelled = world.journal.cancel(operation.id, reason="wrong one", principal="ann")
        world.run()

        assert cancelled.error_reason == "ABORTED"
        assert cancelled.error_message == "cancelled by ann: wrong one"
        assert world.journal.get(operation.id).state is OperationState.COMPENSATED
        assert outside.writes == []

    def test_what_was_done_is_taken_back(self, world: World, outside: MemoryOutside) -> None:
        operation = world.promote(1)
        stop_at(world, "count_up:done", lambda: world.journal.cancel(operation.id))

        world.run()

        assert world.journal.get(operation.id).state is OperationState.COMPENSATED
        assert outside.values == {"staging": "old"}
        assert world.counted() == 0
        assert world.live() is None

    def test_what_was_acknowledged_holds_up_to_the_last_moment(self, world: World) -> None:
        operation = world.promote(1)
        stop_at(world, "switch_live:next", lambda: world.journal.cancel(operation.id))

        world.run()

        assert world.journal.get(operation.id).state is OperationState.COMPENSATED
        assert world.live() is None

    def test_twice_is_once(self, world: World) -> None:
        operation = world.promote(1)
        world.journal.cancel(operation.id, reason="first")

        again = world.journal.cancel(operation.id, reason="second")

        assert again.error_message == "cancelled: first"

    def test_after_the_pivot_it_is_refused(self, world: World) -> None:
        operation = world.promote(1)
        world.runner.run_due()

        with pytest.raises(WrongStateError, match="CONVERGING: it cannot be cancelled; roll back"):
            world.journal.cancel(operation.id)

        world.run()
        assert world.journal.get(operation.id).state is OperationState.SUCCEEDED

    def test_what_is_done_stays_done(self, world: World) -> None:
        operation = world.promote(1, trouble="refused")
        world.run()

        with pytest.raises(WrongStateError, match="it is done"):
            world.journal.cancel(operation.id)

    def test_an_unknown_operation_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFoundError):
            world.journal.cancel(OperationId("0" * 32))


class TestDeadline:
    def test_it_turns_back_when_it_is_not_past_its_pivot(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = world.promote(1, deadline_seconds=0)

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is OperationState.COMPENSATED
        assert ended.error_message == "its deadline came before its pivot"
        assert outside.writes == []

    def test_it_says_nothing_before_it_comes(self, world: World) -> None:
        operation = world.promote(1, deadline_seconds=3600)

        assert operation.error_message == ""
        world.run()
        assert world.journal.get(operation.id).state is OperationState.SUCCEEDED


class TestPreempt:
    def test_the_loser_turns_back_and_the_rollback_goes_on(self, world: World) -> None:
        world.promote(1)
        world.run()
        loser = world.promote(2)

        winner = world.roll_back(3)
        world.run()

        ended = world.journal.get(loser.id)
        assert ended.state is OperationState.COMPENSATED
        assert ended.error_message == f"pre-empted by operations/{winner.id}"
        assert world.journal.get(winner.id).state is OperationState.SUCCEEDED
        live = world.live()
        assert live is not None
        assert live.bundle.number == 3

    def test_the_loser_cannot_pass_its_pivot_any_more(self, world: World) -> None:
        world.promote(1)
        world.run()
        loser = world.promote(2)
        # The last moment: it has looked whether it may, and is about to.
        stop_at(world, "switch_live:next", lambda: world.roll_back(3, request_id="r"))

        world.run()

        assert world.journal.get(loser.id).state is OperationState.COMPENSATED
        live = world.live()
        assert live is not None
        assert live.bundle.number == 3

    def test_one_that_is_past_its_pivot_is_not_in_the_way(
        self, world: World, outside: MemoryOutside
    ) -> None:
        first = world.promote(1)
        world.runner.run_due()

        second = world.roll_back(2)
        world.run()

        assert world.journal.get(first.id).state is OperationState.SUPERSEDED
        assert world.journal.get(second.id).state is OperationState.SUCCEEDED
        assert outside.values["alias"] == "2"


class TestList:
    def test_the_newest_is_first_and_pages_follow(self, world: World) -> None:
        operations = []
        for bundle in (1, 2, 3):
            operations.append(world.promote(bundle).id)
            world.run()

        listed = [operation.id for operation in world.journal.list(offset=0, limit=2)]
        rest = [operation.id for operation in world.journal.list(offset=2, limit=2)]

        assert sorted(listed + rest) == sorted(operations)
        created = [operation.created for operation in world.journal.list()]
        assert created == sorted(created, reverse=True)

    def test_what_is_done_can_be_left_out(self, world: World, outside: MemoryOutside) -> None:
        world.promote(1)
        world.run()
        outside.down = {"alias"}
        converging = world.roll_back(2)
        world.runner.run_due()
        running = world.promote(3, alias=CANDIDATE)

        active = {operation.id for operation in world.journal.list(active_only=True)}

        assert active == {converging.id, running.id}

    def test_one_alias_can_be_asked_for(self, world: World) -> None:
        world.promote(1)
        wanted = world.promote(2, alias=CANDIDATE)

        assert [operation.id for operation in world.journal.list(alias=CANDIDATE)] == [wanted.id]


class TestWait:
    def test_a_change_that_was_not_seen_is_told_at_once(self, world: World) -> None:
        operation = world.promote(1)

        found, version = world.journal.wait(operation.id, seen=0, timeout=60)

        assert found == operation
        assert version == 1

    def test_what_is_done_is_told_at_once(self, world: World) -> None:
        operation = world.promote(1)
        world.run()
        _, version = world.journal.wait(operation.id, seen=0, timeout=60)

        found, again = world.journal.wait(operation.id, seen=version, timeout=60)

        assert found.done
        assert again == version

    def test_it_gives_up_after_the_timeout(self, world: World) -> None:
        operation = world.promote(1)

        found, version = world.journal.wait(operation.id, seen=1, timeout=0.01)

        assert found == operation
        assert version == 1

    def test_a_write_wakes_it(self, world: World) -> None:
        operation = world.promote(1)
        told: list[OperationState] = []
        waiter = threading.Thread(
            target=lambda: told.append(
                world.journal.wait(operation.id, seen=1, timeout=60)[0].state
            )
        )
        waiter.start()

        world.journal.cancel(operation.id)

        waiter.join(30)
        assert told == [OperationState.RUNNING]

    def test_versions_grow_with_every_change(self, world: World) -> None:
        operation = world.promote(1)
        versions = [1]
        world.database.after_write(
            lambda: versions.append(world.journal.wait(operation.id, seen=0, timeout=0)[1])
        )

        world.run()

        assert versions == sorted(versions)
        assert versions[-1] > 10


class TestRetry:
    def test_a_step_that_waits_is_tried_at_once(self, world: World, outside: MemoryOutside) -> None:
        outside.down = {"staging"}
        world.runner._backoff = lambda _: 500.0
        operation = world.promote(1)
        world.run()
        assert world.journal.get(operation.id).next_try is not None
        outside.down = set()

        retried = world.journal.retry(operation.id)
        world.run()

        assert retried.next_try is None
        assert world.journal.get(operation.id).state is OperationState.SUCCEEDED

    def test_planes_that_wait_are_tried_at_once(self, world: World, outside: MemoryOutside) -> None:
        outside.down = {"alias"}
        world.converger._backoff = lambda _: 500.0
        operation = world.promote(1)
        world.run()
        assert world.journal.get(operation.id).state is OperationState.CONVERGING
        outside.down = set()

        world.journal.retry(operation.id)
        world.run()

        assert world.journal.get(operation.id).state is OperationState.SUCCEEDED

    def test_what_is_done_is_not_tried_again(self, world: World) -> None:
        operation = world.promote(1)
        world.run()

        with pytest.raises(WrongStateError):
            world.journal.retry(operation.id)


def test_an_error_in_the_callers_transaction_leaves_nothing(world: World) -> None:
    def submit_and_fail() -> None:
        with world.database.write() as session:
            world.journal.submit(
                session,
                plan(OperationKind.PROMOTE, ALIAS, register("staging", "s1")),
                request_id="",
                request_hash="",
                cause=NOBODY,
                release=None,
                scopes=(str(ALIAS),),
            )
            raise PreconditionError("something else is wrong")

    with pytest.raises(PreconditionError):
        submit_and_fail()

    assert world.journal.list() == ()
    assert world.promote(1).state is OperationState.RUNNING
