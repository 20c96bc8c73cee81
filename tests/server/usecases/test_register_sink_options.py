"""What a sink can be registered with: a live view, and a column that makes undo possible."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import ANN, SINK, World, world
from trilock.client.sinks.layout import RELEASE_COLUMN
from trilock.server.domain.errors import AlreadyExistsError
from trilock.server.domain.names import SinkRef
from trilock.server.domain.sink import Sink
from trilock.server.store.sinks import list_release_sinks
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.register_sink import register_sink

LOG = SinkRef(SINK.model, "log")


def register(w: World, ref: SinkRef = SINK, *, table: str = "predictions", **options: bool) -> Sink:
    return register_sink(
        w.runtime,
        sink=ref,
        connection="warehouse",
        table=table,
        keys=("flight",) if table == "predictions" else (),
        validate_only=options.pop("validate_only", False),
        principal=ANN,
        **options,
    )


def rows(w: World, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        return connection.execute(query).fetchall()


def test_the_live_view_follows_what_is_live(tmp_path: Path) -> None:
    seen = {}
    with world(tmp_path) as w:
        register(w, live_view=True)
        w.release(w.record())
        w.write(w.live().release, UA1=1.0)
        w.promote(w.record(variant="scaled"))
        w.settle()
        w.write(w.live().release, UA1=10.0, UA2=20.0)

        seen["soak"] = rows(w, "SELECT * FROM predictions_live ORDER BY flight")
        w.roll_back()
        w.settle()
        seen["rolled back"] = rows(w, "SELECT * FROM predictions_live ORDER BY flight")

    assert seen == {
        "soak": [("UA1", 10.0), ("UA2", 20.0)],
        "rolled back": [("UA1", 1.0)],
    }


def test_a_view_that_comes_in_the_soak_shows_the_soaking_release(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        register(w)
        w.promote(w.record())
        w.settle()
        w.write(w.live().release, UA1=1.0)

        register(w, live_view=True)
        w.settle()

        assert rows(w, "SELECT * FROM predictions_live") == [("UA1", 1.0)]


def test_a_name_that_is_taken_makes_no_view(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        register(w)
        rows(w, "CREATE TABLE log (flight TEXT)")

        with pytest.raises(AlreadyExistsError):
            register(w, table="log", live_view=True)

        assert rows(w, "SELECT name FROM sqlite_master WHERE type = 'view'") == []


def test_the_release_column_is_added_when_asked_for(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        rows(w, "CREATE TABLE log (flight TEXT)")

        tried = register(w, LOG, table="log", add_release_column=True, validate_only=True)
        without = register(w, LOG, table="log")
        after = register(w, LOG, table="log", add_release_column=True)
        again = register(w, LOG, table="log", add_release_column=True)

        assert not tried.undoable
        assert not without.undoable
        assert after.undoable
        assert again.columns == after.columns
        assert [column.name for column in after.columns] == ["flight", RELEASE_COLUMN]


def test_a_preview_says_what_will_stay(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        rows(w, "CREATE TABLE log (flight TEXT)")
        register(w, LOG, table="log")
        w.release(w.record())
        w.promote(w.record(variant="scaled"))
        w.settle()
        in_the_soak = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None).not_undone
        w.finalize()
        w.settle()
        left = w.live().release
        finalized = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None).not_undone
        with w.writer(left, sink=LOG) as writer:
            writer.write([{"flight": "UA1"}])
        w.roll_back()
        w.settle()
        with w.database.read() as session:
            (noted,) = list_release_sinks(session, left)

        assert len(in_the_soak) == 1
        assert finalized[1:] == (
            "rows in log: undo is unavailable, it is append-only and has no release column",
        )
        assert "undo is unavailable" in noted.counts["undo_unavailable"]["why"]
        assert rows(w, "SELECT * FROM log") == [("UA1",)]
