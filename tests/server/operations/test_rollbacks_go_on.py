"""Nothing but its pivot decides a rollback: whatever else fails is done later."""

from dataclasses import replace
from typing import ClassVar

import pytest
from sqlmodel import Session

from tests.support.operations import (
    NOBODY,
    MemoryOutside,
    World,
    kinds,
    plan,
    register,
    stop_at,
    switch,
)
from tests.support.values import ALIAS, release_ref
from trilock.server.domain.errors import (
    PreconditionError,
    StaleEtagError,
    UnavailableError,
)
from trilock.server.domain.operation import (
    Json,
    JsonValue,
    Operation,
    OperationKind,
    OperationState,
    PlannedStep,
    StepState,
)
from trilock.server.operations.steps.switch_live import SwitchLive
from trilock.server.workers.lease import free_all

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED


class Sulky(SwitchLive):
    """A pivot that does not work, and then does."""

    name: ClassVar[str] = "sulky"

    def __init__(self) -> None:
        self.refusals: list[Exception] = []

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        if self.refusals:
            raise self.refusals.pop(0)
        return super().run(session, operation, args)


class TestRollBack:
    """A rollback is hard to stop (I7)."""

    def submit(self, world: World, *steps: PlannedStep, pivot: str = "switch_live") -> Operation:
        world.planes = ()
        world.promote(1)
        world.run()
        world.finalize()
        world.run()
        world.promote(2)
        world.run()
        assert self.bundle(world) == 2
        switched = switch(ALIAS, 1, "ROLLBACK", world.live())
        with world.database.write() as session:
            return world.journal.submit(
                session,
                plan(OperationKind.ROLL_BACK, ALIAS, *steps, replace(switched, step=pivot)),
                request_id="",
                request_hash="",
                cause=NOBODY,
                release=release_ref(9),
                scopes=(str(ALIAS),),
                preempts=True,
            )

    def bundle(self, world: World) -> int:
        live = world.live()
        assert live is not None
        return live.bundle.number

    @pytest.mark.parametrize("trouble", ["refused", "defect", "ignored", "lost"])
    def test_what_fails_before_its_pivot_is_passed_over(self, world: World, trouble: str) -> None:
        operation = self.submit(world, register("a", "1", trouble=trouble))

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert (ended.steps[0].state, ended.steps[0].attempts) == (StepState.DONE, 1)
        assert ended.steps[0].result.startswith("later: ")
        assert self.bundle(world) == 1

    def test_what_does_not_answer_is_not_waited_for(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.runner._backoff = lambda _: 500.0
        operation = self.submit(world, register("a", "1"))
        outside.down = {"a"}

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert ended.steps[0].result == "later: a does not answer: timed out"
        assert kinds(world, operation) == [
            "submitted",
            "claimed",
            "failed",
            "done",
            "done",
            "succeeded",
        ]

    def test_a_step_that_dies_every_time_is_passed_over(self, world: World) -> None:
        operation = self.submit(world, register("a", "1"))

        class DiedError(BaseException):
            pass

        def die() -> None:
            raise DiedError

        for _ in range(5):
            stop_at(world, "set_register:started", die)
            with pytest.raises(DiedError):
                world.run()
            free_all(world.database)
        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert ended.steps[0].result == "later: begun 5 times, never done"
        assert self.bundle(world) == 1

    def test_its_pivot_is_tried_until_it_is_through(self, world: World) -> None:
        sulky = world.steps["sulky"] = Sulky()
        operation = self.submit(world, pivot="sulky")
        sulky.refusals = [
            *[UnavailableError("busy")] * 6,
            ZeroDivisionError("a defect"),
            PreconditionError("not now"),
        ]

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.steps[0].attempts) == (SUCCEEDED, 8)
        assert self.bundle(world) == 1

    def test_it_turns_back_when_another_release_is_live(
        self, world: World, outside: MemoryOutside
    ) -> None:
        sulky = world.steps["sulky"] = Sulky()
        sulky.refusals = [StaleEtagError(resource=str(ALIAS), expected="2", found="3")]
        operation = self.submit(world, register("a", "1"), pivot="sulky")
        # What it cannot take back either, it does not wait for.
        stop_at(world, "sulky:failed", lambda: outside.down.add("a"))
        world.runner._backoff = lambda _: 500.0

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "STALE_ETAG")
        assert self.bundle(world) == 2
