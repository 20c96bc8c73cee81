"""Threads that drive, and let each other alone."""

import threading

import pytest
from sqlmodel import Session

from tests.support.operations import (
    CANDIDATE,
    NOBODY,
    MemoryOutside,
    World,
    kinds,
    started,
    switch,
)
from tests.support.values import ALIAS, MODEL
from trilock.server.domain.names import OperationId
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.records import lease_scope
from trilock.server.store.database import Database
from trilock.server.store.releases import get_live, reserve_release
from trilock.server.store.tables import LeaseRow


def wait(world: World, operation_id: OperationId, *, until: OperationState) -> Operation:
    """Return the operation once it is in state *until*."""
    seen = 0
    for _ in range(1000):
        operation, seen = world.journal.wait(operation_id, seen=seen, timeout=30)
        if operation.state is until:
            return operation
        assert not operation.done, operation
    raise AssertionError(operation)


def submit_rollback(world: World, session: Session) -> Operation:
    """Submit, in *session*, a rollback to bundle 2."""
    live = get_live(session, ALIAS)
    return world.journal.submit(
        session,
        world._plan(OperationKind.ROLL_BACK, ALIAS, switch(ALIAS, 2, "ROLLBACK", live)),
        request_id="",
        request_hash="",
        cause=NOBODY,
        release=reserve_release(session, MODEL).ref,
        scopes=(str(ALIAS),),
        preempts=True,
    )


def submit_in_vain(world: World) -> None:
    with world.database.write() as session:
        submit_rollback(world, session)
        raise KeyError


class GatedOutside(MemoryOutside):
    """Writes of one register hang until the gate opens."""

    def __init__(self, register: str) -> None:
        super().__init__()
        self._register = register
        self.reached = threading.Event()
        self.gate = threading.Event()

    def write(self, register: str, value: str) -> None:
        if register == self._register:
            self.reached.set()
            assert self.gate.wait(30)
        super().write(register, value)


def test_what_is_submitted_is_driven_to_its_end(world: World, outside: MemoryOutside) -> None:
    with started(world):
        operation = world.promote(1)
        wait(world, operation.id, until=OperationState.SUCCEEDED)

    assert outside.values == {"staging": "s1", "features": "f1", "alias": "1", "mirror": "1"}


def test_what_was_left_is_driven_at_the_start(world: World) -> None:
    operation = world.promote(1)

    with started(world):
        wait(world, operation.id, until=OperationState.SUCCEEDED)


def test_a_stuck_step_holds_up_no_other_alias(database: Database) -> None:
    outside = GatedOutside("features")
    world = World(database, outside)
    with started(world):
        stuck = world.promote(1)
        assert outside.reached.wait(30)

        other = world.roll_back(2, alias=CANDIDATE)
        wait(world, other.id, until=OperationState.SUCCEEDED)

        outside.gate.set()
        wait(world, stuck.id, until=OperationState.SUCCEEDED)


def test_a_rollback_does_not_wait_for_a_stuck_promotion(database: Database) -> None:
    outside = GatedOutside("features")
    world = World(database, outside)
    with started(world):
        stuck = world.promote(1)
        assert outside.reached.wait(30)

        rollback = world.roll_back(2)
        wait(world, rollback.id, until=OperationState.SUCCEEDED)
        assert not world.journal.get(stuck.id).done

        outside.gate.set()
        wait(world, stuck.id, until=OperationState.COMPENSATED)

    assert outside.values["features"] == "old"
    live = world.live()
    assert live is not None
    assert live.bundle.number == 2


def test_a_stopped_runner_frees_what_it_drove(database: Database) -> None:
    outside = GatedOutside("features")
    world = World(database, outside)
    with started(world):
        operation = world.promote(1)
        assert outside.reached.wait(30)
        stopper = threading.Thread(target=world.runner.stop, args=(30,))
        stopper.start()
        assert world.runner._workers._stopping.wait(30)
        outside.gate.set()
        stopper.join(30)

    # Nobody frees leases here: the next one must be able to claim at once.
    another = World(database, outside, owner="B")
    another.run()

    assert another.journal.get(operation.id).state is OperationState.SUCCEEDED
    assert outside.writes.count(("staging", "s1")) == 1


def test_a_defect_in_a_look_does_not_end_all_looks(world: World) -> None:
    looked = threading.Semaphore(0)
    due = world.runner._due

    def fail_once() -> list[tuple[str, str]]:
        world.runner._due = due  # type: ignore[method-assign]
        looked.release()
        raise ZeroDivisionError

    world.runner._due = fail_once  # type: ignore[method-assign]
    with started(world):
        assert looked.acquire(timeout=30)
        operation = world.promote(1)
        wait(world, operation.id, until=OperationState.SUCCEEDED)


def test_one_operation_can_be_driven_by_hand(world: World) -> None:
    operation = world.promote(1)
    other = world.promote(2, alias=CANDIDATE)

    assert world.runner.drive(operation.id)

    assert world.journal.get(operation.id).state is OperationState.CONVERGING
    assert world.journal.get(other.id).state is OperationState.RUNNING
    assert not world.runner.drive(operation.id)
    assert world.live(ALIAS) is not None


def test_a_rollback_is_claimed_with_its_submission(world: World) -> None:
    with started(world):
        wait(world, world.promote(1).id, until=OperationState.SUCCEEDED)
        with world.database.write() as session:
            operation = submit_rollback(world, session)
            leased = session.get(LeaseRow, lease_scope(operation.id))
        wait(world, operation.id, until=OperationState.SUCCEEDED)

    assert leased is not None
    assert kinds(world, operation)[:2] == ["submitted", "claimed"]


def test_a_rollback_that_is_not_committed_is_not_driven(world: World) -> None:
    with started(world):
        before = world.promote(1).id
        wait(world, before, until=OperationState.SUCCEEDED)
        with pytest.raises(KeyError):
            submit_in_vain(world)

        # The thread of the one before may be about to end.
        assert world.runner._workers.busy() <= {before}
    assert [one.kind for one in world.journal.list()] == [OperationKind.PROMOTE]


def test_a_rollback_that_a_stopped_runner_claims_is_free_at_once(database: Database) -> None:
    outside = MemoryOutside()
    world = World(database, outside)
    with started(world):
        wait(world, world.promote(1).id, until=OperationState.SUCCEEDED)
    operation = world.roll_back(2)

    another = World(database, outside, owner="B")
    another.run()

    assert another.journal.get(operation.id).state is OperationState.SUCCEEDED
