"""Holding a release in its soak, and giving a promotion up."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import (
    NoSafeTargetError,
    NotFoundError,
    RequestIdReusedError,
    StaleEtagError,
    WrongStateError,
)
from trilock.server.domain.names import operation_id
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.release import Release, ReleaseState
from trilock.server.store.events import read_changes
from trilock.server.store.releases import get_release
from trilock.server.store.tables import EventRow
from trilock.server.usecases.abort import Aborted, abort
from trilock.server.usecases.pause import Paused, pause, resume


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Bundle 1 is final; bundle 2 soaks."""
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        made.promote(made.record(variant="scaled"))
        made.settle()
        yield made


def paused(w: World, by: str = ANN, **changes: object) -> Paused:
    arguments = {"reason": "odd", "etag": "", "request_id": "", "validate_only": False, **changes}
    return pause(w.runtime, alias=ALIAS, principal=by, **arguments)  # type: ignore[arg-type]  # by keyword, in a test


def resumed(w: World, by: str = ANN, **changes: object) -> Paused:
    arguments = {"reason": "fine", "etag": "", "request_id": "", "validate_only": False, **changes}
    return resume(w.runtime, alias=ALIAS, principal=by, **arguments)  # type: ignore[arg-type]  # by keyword, in a test


def soaking(w: World) -> Release:
    with w.database.read() as session:
        return get_release(session, w.live().release)


class TestPause:
    def test_a_paused_release_is_not_finalized_until_it_is_resumed(self, w: World) -> None:
        paused(w)

        with pytest.raises(
            WrongStateError,
            match=r"is paused by ann \(odd\): it cannot be finalized; `trilock resume`",
        ):
            w.finalize()
        resumed(w)
        w.finalize()
        w.settle()

        assert w.live().state is ReleaseState.FINALIZED

    def test_a_finalize_that_was_begun_before_turns_back(self, w: World) -> None:
        begun = w.finalize()
        paused(w)

        ended = w.settled(begun)

        assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "WRONG_STATE")
        assert w.live().state is ReleaseState.SOAKING

    def test_the_clock_of_the_soak_stands_still(self, w: World) -> None:
        began = soaking(w).started
        first = paused(w).release.pauses[0]

        assert soaking(w).soaked(first.started + timedelta(hours=9)) == first.started - began
        resumed(w)
        (pause,) = soaking(w).pauses
        assert pause.ended is not None
        later = pause.ended + timedelta(hours=1)
        assert soaking(w).soaked(later) == (first.started - began) + timedelta(hours=1)

    def test_pausing_twice_keeps_the_first_one(self, w: World) -> None:
        first, second = paused(w), paused(w, by="bob")

        assert (first.already_done, second.already_done) == (False, True)
        assert [one.cause.principal for one in soaking(w).pauses] == ["ann"]
        assert resumed(w).already_done is False
        assert resumed(w).already_done is True

    def test_who_and_why_and_when_stay_in_the_history(self, w: World) -> None:
        paused(w)
        resumed(w, by="bob")
        paused(w)

        first, second = soaking(w).pauses
        assert (first.cause.reason, first.ended_by and first.ended_by.principal) == ("odd", "bob")
        assert second.ended_by is None
        assert first.revision < (first.ended_revision or 0) < second.revision
        with w.database.read() as session:
            event = session.get(EventRow, second.revision)
            assert event is not None
            assert event.kind == "PAUSED"
            # No reader has to switch for it.
            told = read_changes(session, after=first.revision - 1, limit=10).changes
        assert told == ()

    def test_a_rollback_is_not_stopped(self, w: World) -> None:
        paused(w)
        w.roll_back()
        w.settle()

        assert str(w.live().bundle) == "models/delay/bundles/1"
        with pytest.raises(WrongStateError, match="is FINALIZED: it cannot be paused"):
            paused(w)
        with pytest.raises(WrongStateError, match="is FINALIZED: it cannot be resumed"):
            resumed(w)

    def test_a_repeat_of_a_pause_does_not_undo_what_came_since(self, w: World) -> None:
        paused(w, request_id="r-1")
        resumed(w)

        assert paused(w, request_id="r-1").already_done is True
        assert soaking(w).paused is None
        with pytest.raises(RequestIdReusedError):
            resumed(w, request_id="r-1")

    def test_a_stale_etag_and_only_asking_change_nothing(self, w: World) -> None:
        with pytest.raises(StaleEtagError):
            paused(w, etag='"1"')
        paused(w, validate_only=True)

        assert soaking(w).pauses == ()


class TestAbort:
    def give_up(self, w: World, promotion: Operation, **changes: object) -> Aborted:
        arguments = {
            "reason": "not today",
            "incident": "INC-9",
            "request_id": "",
            "validate_only": False,
            "principal": ANN,
            **changes,
        }
        return abort(w.runtime, promotion.id, **arguments)  # type: ignore[arg-type]  # by keyword, in a test

    def promotion(self, w: World) -> Operation:
        return next(one for one in w.runtime.journal.list(alias=ALIAS) if one.kind == "PROMOTE")

    def test_before_its_pivot_a_promotion_is_undone(self, w: World) -> None:
        w.finalize()
        w.settle()
        begun = w.promote(w.record())

        aborted = self.give_up(w, begun)
        again = self.give_up(w, begun)

        assert (aborted.rolls_back, aborted.already_done) == (False, False)
        assert (again.rolls_back, again.already_done) == (False, False)
        ended = w.settled(begun)
        assert ended.state is OperationState.COMPENSATED
        assert ended.error_message == "cancelled by ann: not today"
        assert str(w.live().bundle) == "models/delay/bundles/2"
        assert self.give_up(w, begun).already_done is True

    def test_after_it_it_is_rolled_back(self, w: World) -> None:
        promotion = self.promotion(w)

        aborted = self.give_up(w, promotion)
        w.settle()
        again = self.give_up(w, promotion)

        assert (aborted.rolls_back, aborted.already_done) == (True, False)
        assert str(w.live().bundle) == "models/delay/bundles/1"
        assert (w.live().cause.reason, w.live().cause.incident) == ("not today", "INC-9")
        assert aborted.operation is not None
        assert again.operation is not None
        assert (again.operation.id, again.already_done) == (aborted.operation.id, True)

    def test_one_that_switches_just_then_is_rolled_back(
        self, w: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w.finalize()
        w.settle()
        begun = w.promote(w.record())
        cancel = w.runtime.journal.cancel

        def too_late(*args: object, **named: object) -> Operation:
            w.settle()
            return cancel(*args, **named)  # type: ignore[arg-type]  # as it was called

        monkeypatch.setattr(w.runtime.journal, "cancel", too_late)

        assert self.give_up(w, begun).rolls_back is True
        w.settle()
        assert str(w.live().bundle) == "models/delay/bundles/2"

    def test_what_is_final_or_no_promotion_is_not_aborted(self, w: World) -> None:
        promotion = self.promotion(w)
        finalize = w.settled(w.finalize())

        with pytest.raises(WrongStateError, match="is FINALIZED: it cannot be aborted"):
            self.give_up(w, promotion)
        with pytest.raises(WrongStateError, match="is a finalize, SUCCEEDED: it cannot be"):
            self.give_up(w, finalize)
        with pytest.raises(NotFoundError):
            abort(
                w.runtime,
                operation_id("operations/" + 32 * "0"),
                reason="",
                incident="",
                request_id="",
                validate_only=False,
                principal=ANN,
            )

    def test_only_asking_starts_nothing(self, w: World) -> None:
        soaks = self.promotion(w)
        assert self.give_up(w, soaks, validate_only=True).operation is None
        w.finalize()
        w.settle()
        begun = w.promote(w.record())
        assert self.give_up(w, begun, validate_only=True).operation is None
        assert w.settled(begun).state is OperationState.SUCCEEDED

    def test_the_first_release_has_nothing_to_go_back_to(self, tmp_path: Path) -> None:
        (tmp_path / "first").mkdir()
        with world(tmp_path / "first") as first:
            promotion = first.settled(first.promote(first.record()))

            with pytest.raises(NoSafeTargetError):
                self.give_up(first, promotion)
