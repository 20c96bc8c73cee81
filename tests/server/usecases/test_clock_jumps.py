"""This machine's clock is set back, or far ahead: what is live and in which order stays known."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.domain.operation import OperationKind, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.operations.pace import pace_of
from trilock.server.operations.records import lease_scope
from trilock.server.store.releases import get_release, list_releases
from trilock.server.usecases.pause import pause, resume
from trilock.server.workers.lease import Leases

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


@pytest.fixture
def jump_all(w: World, jump: Jump) -> Jump:
    """Set this machine's clock, which is a SQLite database's, too."""
    ahead = 0.0

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        def julianday(_now: str) -> float:
            return datetime.now(UTC).timestamp() / 86400 + ahead / 24 + 2440587.5

        connection.create_function("julianday", 1, julianday)

    def jump_all(hours: float) -> None:
        nonlocal ahead
        ahead = hours
        jump(hours)

    event.listen(w.database.engine, "connect", connected)
    w.database.engine.dispose()
    return jump_all


@pytest.mark.parametrize("hours", [-5.0, 5.0])
class TestTheDatabasesClockJumps:
    def test_a_plane_that_waits_for_its_next_try_is_tried(
        self, w: World, jump_all: Jump, hours: float
    ) -> None:
        w.registry.down = True
        rollback = w.roll_back().operation
        assert rollback is not None
        assert w.settled(rollback).state is OperationState.CONVERGING
        w.registry.down = False

        jump_all(hours)

        assert w.settled(rollback).state is OperationState.SUCCEEDED

    def test_a_step_that_waits_for_its_next_try_is_tried(
        self, w: World, jump_all: Jump, monkeypatch: pytest.MonkeyPatch, hours: float
    ) -> None:
        w.finalize()
        w.settle()
        bundle = w.record(variant="fresh")
        with monkeypatch.context() as down:
            down.setattr(w.features, "fill", _unavailable)
            promotion = w.promote(bundle)
            assert w.settled(promotion).state is OperationState.RUNNING

        jump_all(hours)

        assert w.settled(promotion).state is OperationState.SUCCEEDED

    def test_what_a_server_that_died_held_is_taken_over(
        self, w: World, jump_all: Jump, hours: float
    ) -> None:
        rollback = w.roll_back().operation
        assert rollback is not None
        with w.database.write() as session:
            assert Leases(w.database, owner="dead").claim(session, lease_scope(rollback.id))
        jump_all(hours)

        assert w.settled(rollback).state is OperationState.SUCCEEDED

    def test_what_soaks_goes_on_soaking_and_can_be_finalized(
        self, w: World, jump_all: Jump, hours: float
    ) -> None:
        before = w.live()
        jump_all(hours)
        w.settle()
        assert w.live() == before

        assert w.settled(w.finalize()).state is OperationState.SUCCEEDED
        assert w.live().state is ReleaseState.FINALIZED

    def test_only_a_deadline_is_nearer_or_further_away(
        self, w: World, jump_all: Jump, hours: float
    ) -> None:
        w.finalize()
        w.settle()
        promotion = w.promote(w.record(), deadline_seconds=3600)
        jump_all(hours)

        ended = w.settled(promotion)

        if hours > 0:
            assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "ABORTED")
        else:
            assert ended.state is OperationState.SUCCEEDED


def _unavailable(*_: object, **__: object) -> None:
    raise PlaneUnavailableError(plane="Feast", what="it is down")
