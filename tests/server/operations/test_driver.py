"""What becomes of a step that fails, and of what somebody else does meanwhile."""

from dataclasses import replace
from typing import ClassVar

import pytest
from sqlmodel import Session, col, select, update

from tests.support.operations import (
    NOBODY,
    MemoryOutside,
    SetRegister,
    World,
    plan,
    register,
    stop_at,
    switch,
)
from tests.support.values import ALIAS, release_ref
from trilock.server.domain.errors import (
    NotFoundError,
    PlaneUnavailableError,
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
from trilock.server.store.database import Database
from trilock.server.store.tables import OperationEventRow, OperationRow
from trilock.server.workers.lease import free_all

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED


def submit(world: World, *steps: PlannedStep) -> Operation:
    with world.database.write() as session:
        return world.journal.submit(
            session,
            plan(OperationKind.PROMOTE, ALIAS, *steps),
            request_id="",
            request_hash="",
            cause=NOBODY,
            release=release_ref(9),
            scopes=(str(ALIAS),),
        )


def kinds(world: World, operation: Operation) -> list[str]:
    query = (
        select(OperationEventRow.kind)
        .where(OperationEventRow.operation == operation.id)
        .order_by(col(OperationEventRow.id))
    )
    with world.database.read() as session:
        return list(session.exec(query))


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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0

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
        world.runner._backoff = lambda _: 3600.0

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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0
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
        world.runner._backoff = lambda _: 3600.0

        world.run()

        ended = world.journal.get(operation.id)
        assert (ended.state, ended.error_reason) == (COMPENSATED, "STALE_ETAG")
        assert self.bundle(world) == 2


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
