"""What can never be done holds up nothing, and is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.usecases.describe_alias import describe_alias


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_a_mirror_that_refuses_keeps_no_release_from_the_next_one(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.register()
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()

    def refuse(*_: object, **__: object) -> None:
        raise PreconditionError("the online store cannot copy tables")

    monkeypatch.setattr(w.features, "mirror", refuse)
    started = w.roll_back().operation
    assert started is not None
    rollback = w.settled(started)

    assert (w.live().state, rollback.state) == (ReleaseState.FINALIZED, OperationState.CONVERGING)
    planes = {plane.plane: plane for plane in describe_alias(w.runtime, ALIAS).planes}
    assert planes["feature_mirror"].error == "the online store cannot copy tables"
    assert (planes["model_alias"].converged, planes["sinks"].converged) == (True, True)
    w.promote(w.record())
    w.settle()
    assert (str(w.live().bundle), w.live().state) == (
        "models/delay/bundles/3",
        ReleaseState.SOAKING,
    )
