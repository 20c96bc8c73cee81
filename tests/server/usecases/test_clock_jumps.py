"""This machine's clock is set back, or far ahead: what is live and in which order stays known."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.server.domain.operation import OperationKind, OperationState
from trilock.server.operations.pace import pace_of
from trilock.server.store.releases import get_release, list_releases
from trilock.server.usecases.pause import pause, resume

Jump = Callable[[float], None]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.release(made.record())
        made.promote(made.record(variant="scaled"))
        made.settle()
        yield made


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Set the clock so many hours ahead of what it was; the database's own goes on."""
    real = time.time_ns

    def jump(hours: float) -> None:
        monkeypatch.setattr(time, "time_ns", lambda: real() + round(hours * 3600e9))

    return jump


@pytest.mark.parametrize("hours", [-30.0, 30.0])
def test_a_rollback_goes_through_and_history_keeps_its_order(
    w: World, jump: Jump, hours: float
) -> None:
    jump(hours)
    rollback = w.roll_back().operation
    assert rollback is not None

    assert w.settled(rollback).state is OperationState.SUCCEEDED
    with w.database.read() as session:
        releases = list_releases(session, alias=ALIAS, offset=0, limit=10)
        pace = pace_of(session, ALIAS, kind=OperationKind.ROLL_BACK)
    assert [release.ref.number for release in releases] == [3, 2, 1]
    assert [release.bundle.number for release in releases] == [1, 2, 1]
    assert pace is not None
    assert pace.switched >= 0.0
    # Pressed again by a clock that says it was a day ago, or will be tomorrow.
    assert w.roll_back().already_done
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_an_operation_that_was_begun_before_the_jump_goes_on(w: World, jump: Jump) -> None:
    w.finalize()
    w.settle()
    promotion = w.promote(w.record())

    jump(-30.0)

    assert w.settled(promotion).state is OperationState.SUCCEEDED


def test_a_soak_is_never_shorter_than_nothing(w: World, jump: Jump) -> None:
    arguments = {"etag": "", "request_id": "", "validate_only": False, "principal": ANN}
    jump(30.0)
    pause(w.runtime, alias=ALIAS, reason="", **arguments)  # type: ignore[arg-type]  # by keyword, in a test
    jump(-30.0)
    resume(w.runtime, alias=ALIAS, reason="", **arguments)  # type: ignore[arg-type]  # by keyword, in a test

    with w.database.read() as session:
        soaking = get_release(session, w.live().release)

    assert soaking.soaked(soaking.started + timedelta(hours=1)) >= timedelta()
