"""What waits says for what and since when, is tried at once when told to, and not for ever."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError, WrongStateError
from trilock.server.domain.names import operation_id
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.store.tables import OperationRow
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_operation import describe_operation
from trilock.server.usecases.retry_operation import retry_operation


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def waiting(w: World, monkeypatch: pytest.MonkeyPatch) -> Operation:
    """A promotion whose feature store does not answer."""

    def silent(*_: object, **__: object) -> None:
        raise PlaneUnavailableError(plane="Feast registry", what="no answer")

    promotion = w.promote(w.record())
    with monkeypatch.context() as patch:
        patch.setattr(w.features, "deploy", silent)
        return w.settled(promotion)


def test_a_step_that_waits_says_for_what_since_when_and_until_when(waiting: Operation) -> None:
    (step,) = (one for one in waiting.steps if one.error)

    assert (step.step, step.error) == (
        "deploy_features",
        "Feast registry does not answer: no answer",
    )
    assert step.started is not None
    assert waiting.created <= step.started
    assert waiting.next_try is not None
    assert waiting.next_try > step.started


def test_it_is_tried_at_once_when_told_to(w: World, waiting: Operation) -> None:
    assert w.settled(waiting).state is OperationState.RUNNING

    retry_operation(w.runtime, waiting.id, principal=ANN)

    assert w.settled(waiting).state is OperationState.SUCCEEDED


def test_a_plane_that_waits_says_since_when_and_is_tried_at_once_when_told_to(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.registry.down = True
    rollback = w.roll_back().operation
    assert rollback is not None

    planes = {one.plane: one for one in describe_operation(w.runtime, w.settled(rollback)).planes}
    since = planes["model_alias"].failing_since
    assert since is not None
    assert since >= rollback.created
    assert planes["feature_mirror"].failing_since is None

    w.registry.down = False
    retry_operation(w.runtime, rollback.id, principal=ANN)
    assert w.settled(rollback).state is OperationState.SUCCEEDED
    assert {one.failing_since for one in describe_alias(w.runtime, ALIAS).planes} == {None}


def test_what_is_done_or_unknown_is_not_tried(w: World) -> None:
    done = w.settled(w.promote(w.record()))

    with pytest.raises(WrongStateError, match="is SUCCEEDED: it cannot be retried"):
        retry_operation(w.runtime, done.id, principal=ANN)
    with pytest.raises(NotFoundError):
        retry_operation(w.runtime, operation_id("operations/" + 32 * "f"), principal=ANN)


def test_a_promotion_turns_back_at_its_deadline(w: World) -> None:
    bundle = w.record()
    promotion = w.promote(bundle, deadline_seconds=3600.0)
    assert promotion.deadline is not None
    with w.database.write() as session:
        row = session.get(OperationRow, promotion.id)
        assert row is not None
        row.abort_at_ms = 1

    ended = w.settled(promotion)

    assert ended.state is OperationState.COMPENSATED
    assert ended.error_message == "its deadline came before its pivot"
