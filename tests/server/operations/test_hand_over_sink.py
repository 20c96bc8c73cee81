"""However many sinks are out of reach, a rollback waits for them three seconds, not for each."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.values import MODEL
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import PlaneUnavailableError, UnknownConnectionError
from trilock.server.domain.names import SinkRef
from trilock.server.domain.ports import SinkDatabase
from trilock.server.operations.steps.hand_over_sink import HandOverSink
from trilock.server.sinks.connect import sink_database
from trilock.server.usecases.register_sink import register_sink

DEAD = PlaneUnavailableError(plane="sink database 'lake'", what="timeout expired")


class _Outside:
    """Two databases that never answer, after two seconds each, and one that does."""

    def __init__(self, w: World) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self._world = w
        self._alive = w.sink_database("warehouse")

    def sink_database(self, connection: str) -> SinkDatabase:
        self.asked.append(connection)
        if connection == "warehouse":
            return self._alive
        return self  # type: ignore[return-value]  # only `state` is called

    def state(self, _sink: object, *, epoch: int) -> None:
        del epoch
        self.now += 2.0
        raise DEAD


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def _register(w: World, *, count: int) -> None:
    databases = {"warehouse": w.sink_database("warehouse")}
    for name in ("lake", "mart"):
        file = w.warehouse.with_name(f"{name}.db")
        with closing(sqlite3.connect(file)) as connection, connection:
            for number in range(count):
                connection.execute(f"CREATE TABLE t{number} (flight TEXT PRIMARY KEY)")
        databases[name] = sink_database(f"sqlite:///{file}")
    w.sink_database = databases.__getitem__  # type: ignore[method-assign,assignment]
    for name in ("lake", "mart"):
        for number in range(count):
            register_sink(
                w.runtime,
                sink=SinkRef(MODEL, f"{name}{number}"),
                connection=name,
                table=f"t{number}",
                keys=("flight",),
                validate_only=False,
                principal=ANN,
            )
    w.register()


def _args(sink: str, *, epoch: int = 9) -> dict[str, object]:
    return {"sink": f"models/{MODEL}/sinks/{sink}", "closes": 8, "epoch": epoch}


def test_each_database_is_waited_for_once(w: World) -> None:
    _register(w, count=4)
    outside = _Outside(w)
    step = HandOverSink(w.database, outside, clock=lambda: outside.now)  # type: ignore[arg-type]
    said = []

    for number in range(4):
        with pytest.raises(PlaneUnavailableError) as caught:
            step.look(_args(f"lake{number}"))
        said.append(str(caught.value))
    alive = step.look(_args("predictions"))

    assert outside.now == 2.0
    assert "timeout expired" in said[0]
    assert all("it did not answer this rollback before" in what for what in said[1:])
    assert alive == "open"


def test_what_is_not_reached_in_three_seconds_is_left_for_later(w: World) -> None:
    _register(w, count=1)
    outside = _Outside(w)
    step = HandOverSink(w.database, outside, clock=lambda: outside.now)  # type: ignore[arg-type]

    for sink in ("lake0", "mart0"):
        with pytest.raises(PlaneUnavailableError, match="timeout expired"):
            step.look(_args(sink))
    with pytest.raises(PlaneUnavailableError, match=r"has waited 4\.0 s for sinks already"):
        step.look(_args("predictions"))

    assert outside.now == 4.0
    assert step.look(_args("predictions", epoch=10)) == "open", "another rollback waits anew"


def test_rollbacks_with_one_pivot_wait_as_one(w: World) -> None:
    _register(w, count=2)
    outside = _Outside(w)
    step = HandOverSink(w.database, outside, clock=lambda: outside.now)  # type: ignore[arg-type]

    for epoch, sink in ((9, "lake0"), (10, "mart0")):
        with pytest.raises(PlaneUnavailableError, match="timeout expired"):
            step.look({**_args(sink, epoch=epoch), "waits_as": 9})
    with pytest.raises(PlaneUnavailableError, match=r"has waited 4\.0 s for sinks already"):
        step.look({**_args("predictions", epoch=11), "waits_as": 9})

    assert outside.now == 4.0


def test_a_fence_that_cannot_be_had_is_not_a_database_that_is_down(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(w, count=1)
    step = HandOverSink(w.database, w)
    database = w.sink_database("warehouse")

    def close(_sink: object, *, epoch: int) -> None:
        del epoch
        raise PlaneUnavailableError(plane="warehouse", what="locked")

    with monkeypatch.context() as patched:
        patched.setattr(database, "close", close)
        with pytest.raises(PlaneUnavailableError, match="locked"):
            step.apply(_args("predictions"), before="open")

    assert step.apply(_args("predictions"), before="open") == "fenced"


def test_the_settings_have_no_such_connection_any_more(w: World) -> None:
    w.register()

    def gone(connection: str) -> SinkDatabase:
        raise UnknownConnectionError(kind="sink connection", name=connection, known=[])

    w.sink_database = gone  # type: ignore[method-assign]

    with pytest.raises(UnknownConnectionError):
        HandOverSink(w.database, w).look(_args("predictions"))
