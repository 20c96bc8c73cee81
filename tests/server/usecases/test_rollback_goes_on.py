"""I7: nothing that is wrong with a sink stops a rollback; its fence is closed afterwards (I5)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.values import MODEL
from tests.support.world import ANN, SINK, World, world
from trilock.client.errors import WriterFencedError
from trilock.client.sinks import SinkWriter
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import PlaneUnavailableError, UnknownConnectionError
from trilock.server.domain.names import SinkRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.ports import SinkDatabase
from trilock.server.domain.release import ReleaseState
from trilock.server.domain.sink import (
    Sink,
)
from trilock.server.sinks import sqlite_catalog
from trilock.server.store.plane_states import list_plane_states
from trilock.server.store.sinks import get_sink
from trilock.server.usecases.register_sink import register_sink

LOG = SinkRef(MODEL, "log")


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        with closing(sqlite3.connect(made.warehouse)) as connection, connection:
            connection.execute("CREATE TABLE log (flight TEXT, delay REAL)")
            connection.execute("CREATE UNIQUE INDEX log_flight ON log (flight)")
        made.register()
        register_sink(
            made.runtime,
            sink=LOG,
            connection="warehouse",
            table="log",
            keys=("flight",),
            validate_only=False,
            principal=ANN,
        )
        made.release(made.record())
        made.promote(made.record(variant="scaled"))
        made.settle()
        yield made


def execute(w: World, statement: str) -> None:
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        connection.execute(statement)


def rolled_back(w: World) -> Operation:
    """Roll back; return the operation when nothing is due any more."""
    operation = w.roll_back().operation
    assert operation is not None
    ended = w.settled(operation)
    assert str(w.live().bundle) == "models/delay/bundles/1"
    return ended


def handed_over(operation: Operation) -> dict[str, str]:
    """Return how each sink was handed over."""
    return {
        planned.args["sink"]: step.result
        for planned, step in zip(operation.plan.steps, operation.steps, strict=True)
        if step.step == "hand_over_sink"
    }


def trouble(w: World) -> str:
    """Return what status shows of the sinks."""
    with w.database.read() as session:
        (state,) = [s for s in list_plane_states(session, w.live()) if s.plane == "sinks"]
    assert state.converged is (state.error == "")
    return state.error


def fence(w: World, ref: SinkRef, *, epoch: int) -> EpochState | None:
    with w.database.read() as session:
        sink: Sink = get_sink(session, ref)
    return w.sink_database("warehouse").state(sink, epoch=epoch)


def test_a_table_that_was_dropped(w: World) -> None:
    bad = w.live()
    execute(w, "DROP TABLE predictions")

    operation = rolled_back(w)

    assert operation.state is OperationState.CONVERGING
    assert handed_over(operation) == {
        str(LOG): "fenced",
        str(SINK): f"later: {SINK}: table 'predictions' is gone",
    }
    assert trouble(w) == f"{SINK}: table 'predictions' is gone"
    assert fence(w, SINK, epoch=bad.epoch) is EpochState.CLOSED

    execute(w, "CREATE TABLE predictions (flight TEXT PRIMARY KEY, delay REAL)")
    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert w.live().state is ReleaseState.FINALIZED
    assert trouble(w) == ""


def test_a_unique_index_that_is_gone(w: World) -> None:
    bad = w.live()
    execute(w, "DROP INDEX log_flight")

    operation = rolled_back(w)

    assert operation.state is OperationState.CONVERGING
    results = handed_over(operation)
    assert results[str(SINK)] == "fenced"
    assert results[str(LOG)].startswith(f"later: {LOG}: ")
    assert trouble(w).startswith(f"{LOG}: ")
    assert fence(w, LOG, epoch=bad.epoch) is EpochState.CLOSED

    execute(w, "CREATE UNIQUE INDEX log_flight ON log (flight)")
    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED


def test_a_file_that_is_locked(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_catalog, "_LOCK_SECONDS", 0.01)
    bad = w.live()
    with closing(sqlite3.connect(w.warehouse, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        operation = rolled_back(w)
        assert operation.state is OperationState.CONVERGING
        for result in handed_over(operation).values():
            assert result.startswith("later: ")
            assert "locked" in result
        assert "locked" in trouble(w)
        busy.execute("ROLLBACK")

    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    for sink in (SINK, LOG):
        assert fence(w, sink, epoch=bad.epoch) is EpochState.CLOSED
        assert fence(w, sink, epoch=w.live().epoch) is EpochState.DIRECT


def test_a_connection_that_is_gone_from_the_settings(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(connection: str) -> SinkDatabase:
        raise UnknownConnectionError(kind="sink connection", name=connection, known=[])

    bad = w.live()
    why = "no sink connection 'warehouse' in the server's settings; there is: none"
    with monkeypatch.context() as edited:
        edited.setattr(w, "sink_database", gone)
        operation = rolled_back(w)
        assert operation.state is OperationState.CONVERGING
        assert handed_over(operation) == {str(LOG): f"later: {why}", str(SINK): f"later: {why}"}
        assert trouble(w) == why

    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert fence(w, SINK, epoch=bad.epoch) is EpochState.CLOSED


def test_a_sink_in_trouble_does_not_keep_the_fences_of_others_open(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = w.live()
    execute(w, "DROP TABLE log")
    with monkeypatch.context() as blinked:

        def blink(connection: str) -> SinkDatabase:
            raise PlaneUnavailableError(plane=connection, what="timed out")

        blinked.setattr(w, "sink_database", blink)
        operation = w.roll_back().operation
        assert operation is not None
        w._runner.run_due()
    assert fence(w, SINK, epoch=bad.epoch) is EpochState.STAGED

    w.settle()

    assert trouble(w) == f"{LOG}: table 'log' is gone"
    assert fence(w, SINK, epoch=bad.epoch) is EpochState.CLOSED
    with (
        pytest.raises(WriterFencedError),
        SinkWriter(f"sqlite:///{w.warehouse}", sink=str(SINK), epoch=bad.epoch) as writer,
    ):
        writer.write([{"flight": "UA1", "delay": 3.0}])


def test_status_says_while_a_finalized_release_is_not_fenced(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I5: it holds from the moment the fence closes; until then status says that it does not."""
    w.finalize()
    w.settle()
    bad = w.live()
    with monkeypatch.context() as down:

        def silent(connection: str) -> SinkDatabase:
            raise PlaneUnavailableError(plane=connection, what="timed out")

        down.setattr(w, "sink_database", silent)
        operation = rolled_back(w)
        with w.database.read() as session:
            (found,) = [s.found for s in list_plane_states(session, w.live()) if s.plane == "sinks"]

    assert f"{bad.release} predictions: fence unknown (I5 does not hold yet" in found
    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert trouble(w) == ""
