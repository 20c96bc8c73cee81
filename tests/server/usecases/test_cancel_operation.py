"""What may be cancelled, and what may not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import ANN, World, world
from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.operation import OperationState
from trilock.server.usecases.cancel_operation import cancel_operation


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        yield made


def test_a_promotion_that_has_not_switched_turns_back(w: World) -> None:
    promotion = w.promote(w.record())

    cancel_operation(w.runtime, promotion.id, reason="not today", principal=ANN)

    ended = w.settled(promotion)
    assert ended.state is OperationState.COMPENSATED
    assert ended.error_message == "cancelled by ann: not today"


def test_a_rollback_cannot_be_cancelled_and_goes_on(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    rollback = w.roll_back().operation
    assert rollback is not None

    with pytest.raises(
        WrongStateError,
        match="is a rollback, RUNNING: it cannot be cancelled; to have the bundle back, promote",
    ):
        cancel_operation(w.runtime, rollback.id, reason="", principal=ANN)

    assert w.settled(rollback).state is OperationState.SUCCEEDED
    assert str(w.live().bundle) == "models/delay/bundles/1"
