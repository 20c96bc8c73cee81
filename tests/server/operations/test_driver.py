"""What becomes of a step that fails, and of what somebody else does meanwhile."""

from typing import ClassVar

import pytest
from sqlmodel import update

from tests.support.operations import (
    MemoryOutside,
    SetRegister,
    World,
    kinds,
    register,
    stop_at,
    submit,
    switch,
)
from tests.support.values import ALIAS
from trilock.server.domain.errors import (
    NotFoundError,
    PreconditionError,
)
from trilock.server.domain.operation import (
    Json,
    JsonValue,
    OperationState,
    PlannedStep,
    StepState,
)
from trilock.server.store.database import Database
from trilock.server.store.tables import OperationRow
from trilock.server.workers.lease import free_all

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED


class TestForward:
    def test_every_step_tells_what_it_did(self, world: World, outside: MemoryOutside) -> None:
        operation = submit(world, register("a", "1"), register("b", "2"))

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert [(step.state, step.before, step.result) for step in ended.steps] == [
            (StepState.DONE, {"value": "old"}, "was old"),
            (StepState.DONE, {"value": "old"}, "was old"),
        ]
        assert outside.values == {"a": "1", "b": "2"}
        assert kinds(world, operation) == [
            "submitted",
            "claimed",
            "started",
            "done",
            "started",
            "done",
            "succeeded",
        ]

    def test_what_is_so_already_is_not_written(self, world: World, outside: MemoryOutside) -> None:
        outside.values["a"] = "1"
        operation = submit(world, register("a", "1"))

        world.run()

        assert world.journal.get(operation.id).state is SUCCEEDED
        assert outside.writes == []

    def test_the_pivot_ends_it_where_nothing_follows(self, world: World) -> None:
        world.planes = ()

        operation = world.promote(1)
        world.runner.run_due()

        ended = world.journal.get(operation.id)
        assert ended.state is SUCCEEDED
        assert ended.pivot_revision == 1
        assert ended.ended is not None

    def test_a_pivot_that_lost_the_race_turns_back(self, world: World) -> None:
        world.planes = ()
        live = world.live()
        world.promote(1)
        world.run()

        operation = submit(world, register("a", "1"), switch(ALIAS, 2, "PROMOTION", live))
        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "STALE_ETAG")


class TestFailure:
    def test_a_plane_that_is_down_is_tried_again_later(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.runner._backoff = lambda _: 500.0
        outside.down = {"b"}
        operation = submit(world, register("a", "1"), register("b", "2"))

        world.run()

        waits = world.journal.get(operation.id)
        assert waits.state is OperationState.RUNNING
        assert waits.next_try is not None
        assert (waits.steps[1].state, waits.steps[1].attempts) == (StepState.PENDING, 1)
        assert waits.steps[1].error == "b does not answer: timed out"
        assert waits.error_reason == ""

    def test_what_waits_is_a_row_that_anybody_may_take(
        self, world: World, outside: MemoryOutside, database: Database
    ) -> None:
        world.runner._backoff = lambda _: 500.0
        outside.down = {"b"}
        operation = submit(world, register("a", "1"), register("b", "2"))
        world.run()
        outside.down = set()

        another = World(database, outside, owner="B")
        another.journal.retry(operation.id)
        another.run()

        assert world.journal.get(operation.id).state is SUCCEEDED
        assert outside.writes == [("a", "1"), ("b", "2")]

    def test_it_turns_back_when_it_was_tried_often_enough(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.down = {"b"}
        operation = submit(world, register("a", "1"), register("b", "2"))

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "PLANE_UNAVAILABLE")
        assert ended.error_message == "set_register: b does not answer: timed out"
        assert ended.steps[1].attempts == 5
        assert outside.values == {"a": "old"}

    def test_a_refusal_turns_back_at_once(self, world: World, outside: MemoryOutside) -> None:
        operation = submit(world, register("a", "1"), register("b", "2", trouble="refused"))

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "FAILED_PRECONDITION")
        assert ended.steps[1].attempts == 1
        assert [step.state for step in ended.steps] == [StepState.UNDONE, StepState.UNDONE]
        assert outside.values == {"a": "old"}

    def test_a_defect_turns_back_and_is_called_one(
        self, world: World, outside: MemoryOutside, caplog: pytest.LogCaptureFixture
    ) -> None:
        operation = submit(world, register("a", "1"), register("b", "2", trouble="defect"))

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "INTERNAL")
        assert ended.error_message == "set_register: ZeroDivisionError: a defect"
        assert outside.values == {"a": "old"}
        assert "ZeroDivisionError" in caplog.text

    def test_a_write_that_does_not_take_is_no_success(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = submit(world, register("a", "1", trouble="ignored"))

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is COMPENSATED
        assert ended.steps[0].error == (
            "it reads {'value': 'old'} after it was made {'value': '1'}"
        )

    def test_what_an_unheard_write_did_is_taken_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = submit(world, register("a", "1", trouble="lost"))

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.writes == [("a", "1"), ("a", "old")]

    def test_one_that_dies_every_time_turns_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = submit(world, register("a", "1"))

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
        assert ended.state is COMPENSATED
        assert ended.error_message == "set_register: begun 5 times, never done"
        assert outside.writes == []


class TestForeignEdits:
    def test_on_a_retry_it_is_refused_and_stays(self, world: World, outside: MemoryOutside) -> None:
        operation = submit(world, register("a", "1"))
        world.runner._attempts = 2

        def edit_and_go_down() -> None:
            outside.values["a"] = "somebody's"
            outside.down = {"a"}

        stop_at(world, "set_register:started", edit_and_go_down)
        world.runner._backoff = lambda _: 500.0
        world.run()
        outside.down = set()
        world.journal.retry(operation.id)
        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "FOREIGN_EDIT")
        assert ended.error_message == (
            "set_register: set a to 1 is {'value': \"somebody's\"}, not {'value': 'old'}: "
            "someone else changed it"
        )
        assert outside.values == {"a": "somebody's"}

    def test_what_somebody_changed_since_is_not_taken_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        operation = submit(world, register("a", "1"), register("b", "2", trouble="refused"))
        world.runner._at = lambda site: (
            outside.values.update(a="somebody's") if site == "set_register:failed" else None
        )

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.values == {"a": "somebody's"}

    def test_what_was_so_already_is_not_taken_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.values["a"] = "1"
        operation = submit(world, register("a", "1"), register("b", "2", trouble="refused"))

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.writes == []

    def test_what_was_so_already_is_not_even_looked_at(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.values["a"] = "1"
        operation = submit(world, register("a", "1"), register("b", "2", trouble="refused"))
        stop_at(world, "set_register:failed", lambda: outside.down.add("a"))
        world.runner._backoff = lambda _: 500.0

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED

    def test_what_is_back_already_is_not_touched(
        self, world: World, outside: MemoryOutside
    ) -> None:
        stubborn = Stubborn(outside, lambda _: None)
        stubborn.refusal = AssertionError("it was as before")
        world.steps["stubborn"] = stubborn
        step = PlannedStep(step="stubborn", args={"register": "a", "value": "1"}, title="set a")
        operation = submit(world, step, register("b", "2", trouble="refused"))
        stop_at(world, "set_register:failed", lambda: outside.values.update(a="old"))
        world.runner._backoff = lambda _: 500.0

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED


class Picky(SetRegister):
    """A check: its look refuses what it finds, once it was begun."""

    name: ClassVar[str] = "picky"
    refusal: Exception | None = None

    def look(self, args: Json) -> JsonValue:
        if self.refusal is not None:
            raise self.refusal
        return super().look(args)


class Stubborn(SetRegister):
    """Its undo does not work."""

    name: ClassVar[str] = "stubborn"
    refusal: Exception | None = NotFoundError("the table")

    def undo(self, args: Json, *, before: JsonValue) -> None:
        if self.refusal is not None:
            raise self.refusal
        super().undo(args, before=before)


class TestBack:
    def test_a_plane_that_is_down_is_waited_for(self, world: World, outside: MemoryOutside) -> None:
        world.runner._backoff = lambda _: 500.0
        operation = submit(world, register("a", "1"), register("b", "2", trouble="refused"))
        stop_at(world, "set_register:failed", lambda: outside.down.add("a"))
        world.run()

        waits = world.journal.get(operation.id)
        assert waits.state is OperationState.COMPENSATING
        assert waits.next_try is not None
        assert waits.steps[0].error == "a does not answer: timed out"

        outside.down = set()
        world.journal.retry(operation.id)
        world.run()
        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.values == {"a": "old"}

    def test_a_look_that_refuses_does_not_stop_it(
        self, world: World, outside: MemoryOutside
    ) -> None:
        picky = Picky(outside, lambda _: None)
        world.steps["picky"] = picky
        step = PlannedStep(step="picky", args={"register": "a", "value": "1"}, title="set a")
        operation = submit(world, step, register("b", "2", trouble="refused"))

        def refuse() -> None:
            picky.refusal = PreconditionError("not like that")

        stop_at(world, "set_register:failed", refuse)

        world.run()

        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.values == {"a": "old"}

    def test_what_is_gone_need_not_be_taken_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.steps["stubborn"] = Stubborn(outside, lambda _: None)
        step = PlannedStep(step="stubborn", args={"register": "a", "value": "1"}, title="set a")
        operation = submit(world, step, register("b", "2", trouble="refused"))

        world.run()

        ended = world.journal.get(operation.id)
        assert ended.state is COMPENSATED
        assert ended.steps[0].state is StepState.UNDONE
        assert ended.steps[0].error == "the table does not exist"

    def test_a_defect_in_an_undo_is_tried_until_it_is_mended(
        self, world: World, outside: MemoryOutside
    ) -> None:
        stubborn = Stubborn(outside, lambda _: None)
        stubborn.refusal = ZeroDivisionError("a defect")
        world.steps["stubborn"] = stubborn
        world.runner._backoff = lambda _: 500.0
        step = PlannedStep(step="stubborn", args={"register": "a", "value": "1"}, title="set a")
        operation = submit(world, step, register("b", "2", trouble="refused"))

        for _ in range(10):
            world.run()
            world.journal.retry(operation.id)
        assert world.journal.get(operation.id).state is OperationState.COMPENSATING

        stubborn.refusal = None
        world.run()
        assert world.journal.get(operation.id).state is COMPENSATED
        assert outside.values == {"a": "old"}


class TestVersions:
    def test_a_step_that_is_not_known_is_left_to_others(self, world: World) -> None:
        unknown = PlannedStep(step="fly_to_moon", args={}, title="fly to the moon")
        operation = submit(world, unknown)

        world.run()

        waits = world.journal.get(operation.id)
        assert waits.state is OperationState.RUNNING
        assert waits.next_try is not None
        assert waits.steps[0].error == "this server does not know the step"

    def test_a_plan_of_a_newer_version_is_not_claimed(self, world: World) -> None:
        operation = submit(world, register("a", "1"))
        with world.database.write() as session:
            session.exec(update(OperationRow).values(plan_version=2))

        assert world.runner.run_due() == 0
        assert kinds(world, operation) == ["submitted"]
