"""Gates are asked in the very turn of the pivot, and again in every life."""

from typing import ClassVar

import pytest

from tests.support.operations import (
    MemoryOutside,
    World,
    kinds,
    register,
    stop_at,
    submit,
    switch,
)
from tests.support.values import ALIAS
from trilock.server.domain.errors import (
    PlaneUnavailableError,
    PreconditionError,
)
from trilock.server.domain.operation import (
    Json,
    OperationState,
    PlannedStep,
    StepState,
)
from trilock.server.workers.lease import free_all

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED


class Doorman:
    """A gate that says what a test has it say, and counts."""

    name: ClassVar[str] = "doorman"
    timeout: ClassVar[float] = 1.0

    def __init__(self) -> None:
        self.refusals: list[Exception] = []
        self.asked = 0

    def require(self, args: Json) -> None:
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)


GATE = PlannedStep(step="doorman", args={}, title="ask the doorman")


class TestGates:
    @pytest.fixture
    def doorman(self, world: World) -> Doorman:
        world.planes = ()
        doorman = Doorman()
        world.steps["doorman"] = doorman
        return doorman

    def test_a_gate_is_done_with_the_pivot(self, world: World, doorman: Doorman) -> None:
        operation = submit(
            world, GATE, register("a", "1"), switch(ALIAS, 1, "PROMOTION", world.live())
        )

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert [step.state for step in ended.steps] == [StepState.DONE] * 3
        assert doorman.asked == 1
        assert kinds(world, operation) == [
            "submitted",
            "claimed",
            "started",
            "done",
            "done",
            "done",
            "succeeded",
        ]

    def test_one_that_refuses_turns_back_with_its_reason(
        self, world: World, outside: MemoryOutside, doorman: Doorman
    ) -> None:
        doorman.refusals = [PreconditionError("not like that")]
        operation = submit(
            world, register("a", "1"), GATE, switch(ALIAS, 1, "PROMOTION", world.live())
        )

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "FAILED_PRECONDITION")
        assert ended.error_message == "doorman: not like that"
        assert [step.state for step in ended.steps] == [
            StepState.UNDONE,
            StepState.PENDING,
            StepState.PENDING,
        ]
        assert ended.steps[1].error == "not like that"
        assert outside.values == {"a": "old"}
        assert world.live() is None

    def test_one_that_cannot_say_is_asked_again(self, world: World, doorman: Doorman) -> None:
        doorman.refusals = [PlaneUnavailableError(plane="mlflow", what="timed out")] * 2
        operation = submit(world, GATE, switch(ALIAS, 1, "PROMOTION", world.live()))

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert (ended.steps[0].attempts, ended.steps[0].error) == (2, "")
        assert doorman.asked == 3

    def test_it_turns_back_when_it_was_asked_often_enough(
        self, world: World, doorman: Doorman
    ) -> None:
        doorman.refusals = [PlaneUnavailableError(plane="mlflow", what="timed out")] * 9
        operation = submit(world, GATE, switch(ALIAS, 1, "PROMOTION", world.live()))

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "PLANE_UNAVAILABLE")
        assert doorman.asked == 5

    def test_what_was_said_in_another_life_is_worth_nothing(
        self, world: World, doorman: Doorman
    ) -> None:
        class DiedError(BaseException):
            pass

        def die() -> None:
            raise DiedError

        operation = submit(world, GATE, switch(ALIAS, 1, "PROMOTION", world.live()))
        stop_at(world, "doorman:asked", die)
        with pytest.raises(DiedError):
            world.run()
        free_all(world.database)
        doorman.refusals = [PreconditionError("not any more")]

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_message) == (COMPENSATED, "doorman: not any more")
        assert world.live() is None
