"""A sink that cannot be reached stops a promotion and a finalize, and no rollback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.world import World, world
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.release import ReleaseState


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        yield made


@contextmanager
def out_of_reach(w: World) -> Iterator[None]:
    away = w.warehouse.with_suffix(".away")
    w.warehouse.rename(away)
    yield
    away.rename(w.warehouse)


def given_up(w: World, operation: Operation) -> Operation:
    """Return *operation* when all its tries are used up."""
    while w.settled(operation).state is OperationState.RUNNING:
        w.runtime.journal.retry(operation.id)
    return w.settled(operation)


def test_nothing_is_promoted(w: World) -> None:
    before = w.live()
    bundle = w.record(variant="scaled")

    with out_of_reach(w):
        operation = w.promote(bundle)
        ended = given_up(w, operation)

    assert ended.state is OperationState.COMPENSATED
    assert "unable to open database file" in ended.error_message
    assert (w.live().release, w.live().bundle) == (before.release, before.bundle)


def test_nothing_is_finalized(w: World) -> None:
    w.promote(w.record(variant="scaled"))
    w.settle()

    with out_of_reach(w):
        ended = given_up(w, w.finalize())

    assert ended.state is OperationState.COMPENSATED
    assert "unable to open database file" in ended.error_message
    assert w.live().state is ReleaseState.SOAKING


def test_a_rollback_in_the_soak_restores_traffic_and_quarantines_later(w: World) -> None:
    good = w.live().bundle
    w.promote(w.record(variant="scaled"))
    w.settle()
    bad = w.live().release
    w.write(bad, UA1=1.0)

    with out_of_reach(w):
        operation = w.roll_back().operation
        assert operation is not None
        w.settle()
        restored = w.live().bundle
    w.runtime.journal.retry(operation.id)

    assert restored == good
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert w.table() == {}
