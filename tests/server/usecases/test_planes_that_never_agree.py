"""What can never be done holds up nothing, and is said."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, World, world
from trilock.client.sinks import SinkWriter
from trilock.server.domain.errors import PlaneUnavailableError, PreconditionError
from trilock.server.domain.names import SinkRef
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.sinks import list_release_sinks
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_operation import describe_operation
from trilock.server.usecases.register_sink import register_sink


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
    shown = describe_operation(w.runtime, rollback).planes
    assert [plane.plane for plane in shown if not plane.converged] == ["feature_mirror"]
    w.promote(w.record())
    w.settle()
    assert (str(w.live().bundle), w.live().state) == (
        "models/delay/bundles/3",
        ReleaseState.SOAKING,
    )


def test_rows_that_cannot_be_undone_stay_are_told_and_hold_up_nothing(w: World) -> None:
    log = SinkRef(MODEL, "log")
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        connection.execute("CREATE TABLE log (flight TEXT, delay REAL)")
    register_sink(
        w.runtime,
        sink=log,
        connection="warehouse",
        table="log",
        keys=(),
        validate_only=False,
        principal=ANN,
    )
    w.release(w.record())
    bad = w.release(w.record(variant="scaled"))
    url = f"sqlite:///{w.warehouse}"
    with SinkWriter(url, sink=str(log), epoch=w.live().epoch) as writer:
        writer.write([{"flight": "UA1", "delay": 1.0}])

    started = w.roll_back().operation
    assert started is not None
    rollback = w.settled(started)

    assert (rollback.state, w.live().state) == (OperationState.SUCCEEDED, ReleaseState.FINALIZED)
    with w.database.read() as session:
        (noted,) = list_release_sinks(session, bad)
    assert noted.state == "CLOSED"
    assert noted.counts["undo_unavailable"] == {
        "why": "undo is unavailable: it is append-only and has no text column 'trilock_release' "
        "that says which rows are whose"
    }
    w.promote(w.record())
    w.settle()
    assert str(w.live().bundle) == "models/delay/bundles/3"


def test_an_operation_that_succeeded_has_planes_that_followed_it(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion = w.settled(w.promote(w.record()))

    def refuse(*_: object, **__: object) -> None:
        raise PlaneUnavailableError(plane="the registry", what="timed out")

    monkeypatch.setattr(w.registry, "alias", refuse)
    finalize = w.settled(w.finalize())

    assert finalize.state is OperationState.CONVERGING
    assert promotion.state is OperationState.SUCCEEDED
    of = {
        operation.kind.value: [
            plane.plane
            for plane in describe_operation(w.runtime, operation).planes
            if not plane.converged
        ]
        for operation in (promotion, finalize)
    }
    assert of == {"PROMOTE": [], "FINALIZE": ["model_alias"]}
