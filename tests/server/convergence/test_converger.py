"""Planes follow the live row, whatever happens meanwhile."""

from typing import Any, ClassVar

import pytest
from sqlmodel import col, select

from tests.support.operations import CANDIDATE, MemoryOutside, World
from tests.support.values import ALIAS
from trilock.server.convergence.projection import Projection
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import LiveRow, ReleaseState
from trilock.server.store.database import Database
from trilock.server.store.plane_states import PlaneState, list_plane_states
from trilock.server.store.tables import OperationEventRow

SUCCEEDED, CONVERGING = OperationState.SUCCEEDED, OperationState.CONVERGING


def planes(world: World) -> dict[str, PlaneState]:
    live = world.live()
    assert live is not None
    with world.database.read() as session:
        return {state.plane: state for state in list_plane_states(session, live)}


def details(world: World, kind: str) -> list[dict[str, Any] | None]:
    query = (
        select(OperationEventRow)
        .where(OperationEventRow.kind == kind)
        .order_by(col(OperationEventRow.id))
    )
    with world.database.read() as session:
        return [row.detail for row in session.exec(query)]


def release_state(world: World) -> ReleaseState:
    live = world.live()
    assert live is not None
    return live.state


def test_planes_are_driven_to_the_live_row(world: World, outside: MemoryOutside) -> None:
    operation = world.promote(1)

    world.run()

    assert outside.values["alias"] == "1"
    assert outside.values["mirror"] == "1"
    assert world.journal.get(operation.id).state is SUCCEEDED
    assert [(state.converged, state.wanted, state.found) for state in planes(world).values()] == [
        (True, "1", "1"),
        (True, "1", "1"),
    ]


def test_what_agrees_already_is_not_written(world: World, outside: MemoryOutside) -> None:
    outside.values = {"alias": "1", "mirror": "1"}
    world.promote(1)

    world.run()

    assert [register for register, _ in outside.writes] == ["staging", "features"]


def test_a_finalized_release_is_one_whose_planes_agree(
    world: World, outside: MemoryOutside
) -> None:
    world.promote(1)
    world.run()
    assert release_state(world) is ReleaseState.SOAKING
    outside.down = {"alias"}
    operation = world.finalize()
    world.run()
    assert release_state(world) is ReleaseState.FINALIZING
    assert world.journal.get(operation.id).state is CONVERGING

    outside.down = set()
    world.journal.retry(operation.id)
    world.run()

    assert release_state(world) is ReleaseState.FINALIZED
    assert world.journal.get(operation.id).state is SUCCEEDED


def test_a_plane_that_does_not_hold_the_release_follows_after_it_is_finalized(
    world: World, outside: MemoryOutside
) -> None:
    world.promote(1)
    world.run()
    outside.down, outside.values["mirror"] = {"mirror"}, "old"
    operation = world.roll_back(2)
    world.run()

    assert release_state(world) is ReleaseState.FINALIZED
    assert {name: plane.converged for name, plane in planes(world).items()} == {
        "model_alias": True,
        "feature_mirror": False,
    }
    assert world.journal.get(operation.id).state is CONVERGING

    outside.down = set()
    world.journal.retry(operation.id)
    world.run()

    assert outside.values["mirror"] == "2"
    assert world.journal.get(operation.id).state is SUCCEEDED


def test_a_release_that_no_plane_holds_is_finalized_while_they_are_down(
    database: Database, outside: MemoryOutside
) -> None:
    world = World(database, outside, planes=("feature_mirror",))
    outside.down = {"mirror"}
    operation = world.roll_back(1)

    world.run()

    assert release_state(world) is ReleaseState.FINALIZED
    assert world.journal.get(operation.id).state is CONVERGING


class TestStuck:
    def test_it_says_what_waits_why_and_until_when(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.down = {"alias"}
        operation = world.promote(1)

        world.run()

        state = planes(world)["model_alias"]
        assert (state.converged, state.attempts) == (False, 1)
        assert state.error == "alias does not answer: timed out"
        assert state.next_try is not None
        assert world.journal.get(operation.id).state is CONVERGING

    def test_it_holds_up_no_other_plane_and_no_other_alias(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.down = {"alias"}
        world.promote(1)
        other = world.promote(2, alias=CANDIDATE)

        world.run()

        assert planes(world)["feature_mirror"].converged
        assert world.journal.get(other.id).state is SUCCEEDED

    def test_it_follows_by_itself_when_it_is_back(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.converger._backoff = lambda attempts: 500.0 if attempts > 1 else 0.0
        outside.down = {"alias"}
        operation = world.promote(1)
        world.converger._at = lambda site: (
            outside.down.clear() if site == "model_alias:failed" else None
        )

        world.run()

        assert world.journal.get(operation.id).state is SUCCEEDED
        assert planes(world)["model_alias"].attempts == 0
        assert planes(world)["model_alias"].error == ""

    def test_the_same_trouble_again_is_one_event(
        self, world: World, outside: MemoryOutside
    ) -> None:
        outside.down = {"alias"}
        operation = world.promote(1)
        for _ in range(4):
            world.run()
            world.journal.retry(operation.id)

        assert len(details(world, "plane_failed")) == 1
        assert planes(world)["model_alias"].attempts == 4

    def test_a_plane_that_does_not_take_the_value_is_tried_again(
        self, world: World, outside: MemoryOutside
    ) -> None:
        class DeafOutside(MemoryOutside):
            def write(self, register: str, value: str) -> None:
                if register != "alias":
                    super().write(register, value)

        world = World(world.database, DeafOutside())
        operation = world.promote(1)

        world.run()

        assert world.journal.get(operation.id).state is CONVERGING
        assert planes(world)["model_alias"].error == "it is 'old' after it was made '1'"
        assert planes(world)["model_alias"].found == "old"
        world.journal.retry(operation.id)
        world.run()
        assert planes(world)["model_alias"].attempts == 2
        of_alias = [d for d in details(world, "plane_differs") if d and d["plane"] == "model_alias"]
        assert len(of_alias) == 1

    def test_a_defect_in_a_projection_is_tried_again(
        self, world: World, outside: MemoryOutside, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            name: ClassVar[str] = "model_alias"
            shared: ClassVar[bool] = True
            absolute: ClassVar[bool] = True
            holds_release: ClassVar[bool] = False
            timeout: ClassVar[float] = 1.0

            def wanted(self, live: LiveRow) -> str:
                raise ZeroDivisionError("a defect")

            observe = wanted

            def apply(self, live: LiveRow) -> None:
                raise AssertionError

        mirror = world.projections[1]
        world.projections[:] = [Broken(), mirror]
        world.promote(1)

        world.run()

        assert planes(world)["model_alias"].error == "ZeroDivisionError: a defect"
        assert planes(world)["feature_mirror"].converged
        assert "ZeroDivisionError" in caplog.text


class TestOvertaken:
    def test_two_rollbacks_with_a_plane_down_end_on_the_newest(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.promote(1)
        world.run()
        outside.down = {"alias"}
        first = world.roll_back(2)
        world.run()
        second = world.roll_back(3)
        world.run()

        # Nothing waits for the plane: both have switched every reader.
        assert world.journal.get(first.id).state is OperationState.SUPERSEDED
        assert world.journal.get(second.id).state is CONVERGING
        assert outside.values["alias"] == "1"

        outside.down = set()
        world.journal.retry(second.id)
        world.run()

        assert world.journal.get(second.id).state is SUCCEEDED
        assert outside.values["alias"] == "3"
        assert ("alias", "2") not in outside.writes
        assert [operation.id for operation in world.journal.list()][:2] == [second.id, first.id]

    def test_a_pivot_in_the_middle_of_driving_is_followed(
        self, world: World, outside: MemoryOutside
    ) -> None:
        first = world.promote(1)
        world.runner.run_due()

        def roll_back() -> None:
            world.converger._at = lambda _: None
            world.roll_back(2)
            world.runner.run_due()

        world.converger._at = lambda site: roll_back() if site == "model_alias:noted" else None
        world.run()

        assert world.journal.get(first.id).state is OperationState.SUPERSEDED
        assert outside.values["alias"] == "2"
        assert outside.values["mirror"] == "2"
        assert release_state(world) is ReleaseState.FINALIZED

    def test_one_whose_planes_had_followed_by_then_succeeded(
        self, world: World, outside: MemoryOutside
    ) -> None:
        first = world.promote(1)
        world.runner.run_due()

        def roll_back() -> None:
            world.converger._at = lambda _: None
            world.roll_back(2)
            world.runner.run_due()

        # Every plane is equal to the first one's row; nobody has said so yet.
        world.converger._at = lambda site: roll_back() if site == "feature_mirror:applied" else None
        world.run()

        assert world.journal.get(first.id).state is SUCCEEDED
        assert outside.values["mirror"] == "2"


class TestForeignEdits:
    def test_a_foreign_value_is_recorded_and_then_replaced(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.promote(1)
        world.run()
        outside.values["alias"] = "99"

        world.roll_back(2)
        world.run()

        assert outside.values["alias"] == "2"
        assert details(world, "plane_foreign") == [
            {"plane": "model_alias", "wanted": "2", "found": "99", "expected": "1"}
        ]

    def test_what_was_wanted_before_is_not_foreign(
        self, world: World, outside: MemoryOutside
    ) -> None:
        world.promote(1)
        world.run()
        world.roll_back(2)
        world.run()

        assert details(world, "plane_foreign") == []


class TestPlanes:
    def test_a_new_one_is_found_at_the_next_start(
        self, database: Database, outside: MemoryOutside
    ) -> None:
        world = World(database, outside, planes=("model_alias",))
        world.promote(1)
        world.run()
        assert "mirror" not in outside.values

        World(database, outside).run()

        assert outside.values["mirror"] == "1"

    def test_one_that_is_gone_is_forgotten(
        self, database: Database, outside: MemoryOutside
    ) -> None:
        world = World(database, outside)
        outside.down = {"mirror"}
        operation = world.promote(1)
        world.run()

        world = World(database, outside, planes=("model_alias",))
        world.run()

        assert world.journal.get(operation.id).state is SUCCEEDED
        assert list(planes(world)) == ["model_alias"]

    def test_an_alias_without_planes_is_converged_at_once(
        self, database: Database, outside: MemoryOutside
    ) -> None:
        world = World(database, outside, planes=())
        world.roll_back(1)

        world.run()

        assert release_state(world) is ReleaseState.FINALIZED

    def test_an_alias_that_cannot_be_judged_holds_up_no_other(
        self, world: World, outside: MemoryOutside
    ) -> None:
        known = world.projections

        def projections(live: LiveRow) -> list[Projection]:
            if live.alias == ALIAS:
                raise ZeroDivisionError
            return known

        world.converger._projections = projections
        stuck = world.promote(1)
        other = world.promote(2, alias=CANDIDATE)

        world.run()

        assert world.journal.get(stuck.id).state is CONVERGING
        assert world.journal.get(other.id).state is SUCCEEDED

    def test_what_agrees_is_not_looked_at_again(self, world: World, outside: MemoryOutside) -> None:
        world.promote(1)
        world.run()

        assert world.converger.run_due() == 0
