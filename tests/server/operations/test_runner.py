"""Threads that drive, and let each other alone."""

import threading

from tests.support.operations import CANDIDATE, MemoryOutside, World, started
from tests.support.values import ALIAS
from trilock.server.domain.names import OperationId
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.store.database import Database


def wait(world: World, operation_id: OperationId, *, until: OperationState) -> Operation:
    """Return the operation once it is in state *until*."""
    seen = 0
    for _ in range(1000):
        operation, seen = world.journal.wait(operation_id, seen=seen, timeout=30)
        if operation.state is until:
            return operation
        assert not operation.done, operation
    raise AssertionError(operation)


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
