"""What is special about a sink in SQLite."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    SqliteSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.client.sinks import BatchRejectedError, SinkUnavailableError, SinkWriter
from trilock.server.domain.errors import PlaneUnavailableError, SinkError
from trilock.server.domain.sink import MergeCounts, UndoCounts
from trilock.server.sinks import sqlite_catalog
from trilock.server.sinks.connect import sink_database


@pytest.fixture
def world(tmp_path: Path) -> SqliteSinkWorld:
    return SqliteSinkWorld(tmp_path / "sinks.db")


def test_the_file_of_trilock_is_never_a_sink(tmp_path: Path) -> None:
    own = tmp_path / "trilock.db"
    (tmp_path / "link.db").symlink_to(own)

    for path in (own, tmp_path / "link.db", tmp_path / "folder" / ".." / "trilock.db"):
        with pytest.raises(SinkError, match="trilock's own file"):
            sink_database(f"sqlite:///{path}", forbidden=own)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite:/// or postgresql://"):
        sink_database("mysql://somebody:secret@somewhere/else")


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing.db"

    with pytest.raises(PlaneUnavailableError) as caught:
        sink_database(f"sqlite:///{path}").inspect(table="t", keys=())

    assert caught.value.plane == "sink database 'missing.db'"
    assert not path.exists()


def test_a_file_that_stays_locked_counts_as_gone(
    world: SqliteSinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_direct(sink, epoch=4)
    monkeypatch.setattr(sqlite_catalog, "_LOCK_SECONDS", 0.01)
    holder = sqlite3.connect(world.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(PlaneUnavailableError):
        opened.close(sink, epoch=4)
    holder.close()
    opened.close(sink, epoch=4)


def test_a_virtual_table_is_refused(world: SqliteSinkWorld) -> None:
    world.sql("CREATE VIRTUAL TABLE t USING fts5(flight)")

    with pytest.raises(SinkError, match="it is a virtual table"):
        database(world).inspect(table="t", keys=())


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE [t](flight INTEGER PRIMARY KEY, delay REAL)",
        "CREATE TABLE `t` (flight INTEGER PRIMARY KEY, delay REAL)",
        "CREATE TABLE 't'(flight INTEGER PRIMARY KEY, delay REAL)",
        "create table if not exists main . t\n( flight INTEGER PRIMARY KEY, delay REAL )",
        "CREATE TABLE t (flight INTEGER PRIMARY KEY, delay REAL) WITHOUT ROWID",
        "CREATE TABLE t (flight INTEGER PRIMARY KEY, delay REAL) STRICT",
        "CREATE TABLE t (flight INTEGER PRIMARY KEY AUTOINCREMENT, delay REAL)",
    ],
)
def test_every_way_to_write_create_table_can_be_copied(world: SqliteSinkWorld, ddl: str) -> None:
    world.sql(ddl)
    sink, opened = register(world, table="t"), database(world)
    opened.open_staged(sink, epoch=4)
    write(world, flights(f1=1.0), epoch=4)

    assert opened.merge(sink, epoch=4).merged == 1
    assert world.sql("SELECT * FROM t") == [(1, 1.0)]


def test_keys_compare_as_their_index_does(world: SqliteSinkWorld) -> None:
    world.sql("CREATE TABLE t (code text COLLATE NOCASE PRIMARY KEY, delay integer)")
    world.sql("INSERT INTO t VALUES ('ABC', 10)")
    sink, opened = register(world, table="t", keys=("code",)), database(world)
    opened.open_staged(sink, epoch=4)

    with pytest.raises(BatchRejectedError, match="twice"):
        write(world, [{"code": "x"}, {"code": "X"}], epoch=4)
    write(world, [{"code": "abc", "delay": 1}], epoch=4)
    assert opened.merge(sink, epoch=4).replaced == 1
    assert world.sql("SELECT * FROM t") == [("abc", 1)]
    opened.close(sink, epoch=4)
    assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=1, kept=0)
    assert world.sql("SELECT * FROM t") == [("ABC", 10)]


def test_a_value_of_another_type_is_another_value(world: SqliteSinkWorld) -> None:
    world.sql("CREATE TABLE t (id integer PRIMARY KEY, value)")
    world.sql("INSERT INTO t VALUES (1, 1)")
    sink, opened = register(world, table="t", keys=("id",)), database(world)
    opened.open_staged(sink, epoch=4)
    write(world, [{"id": 1, "value": 5}], epoch=4)
    world.sql("UPDATE t SET value = 1.0")

    assert opened.merge(sink, epoch=4).kept == 1


def test_a_unique_index_holds_for_staged_rows(world: SqliteSinkWorld) -> None:
    world.sql("CREATE TABLE t (id integer PRIMARY KEY, seat text)")
    world.sql("CREATE UNIQUE INDEX one_seat ON t (seat)")
    sink = register(world, table="t", keys=("id",))
    database(world).open_staged(sink, epoch=4)

    with pytest.raises(BatchRejectedError):
        write(world, [{"id": 1, "seat": "1A"}, {"id": 2, "seat": "1A"}], epoch=4)


def test_foreign_keys_hold_though_sqlite_would_not_ask(world: SqliteSinkWorld) -> None:
    world.sql("CREATE TABLE airport (code text PRIMARY KEY)")
    world.sql("INSERT INTO airport VALUES ('EWR')")
    world.sql("CREATE TABLE t (id integer PRIMARY KEY, code text REFERENCES airport)")
    sink = register(world, table="t", keys=("id",))
    database(world).open_direct(sink, epoch=4)

    write(world, [{"id": 1, "code": "EWR"}], epoch=4)
    with pytest.raises(BatchRejectedError, match="FOREIGN KEY"):
        write(world, [{"id": 2, "code": "ZZZ"}], epoch=4)


def test_a_disk_that_is_full_costs_no_row(
    world: SqliteSinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sql(PREDICTIONS)
    world.sql("INSERT INTO predictions VALUES (1, 10, 'old')")
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    write(world, flights(f1=1.0), epoch=4)
    rows = [{"flight": n, "delay": 1.0, "note": "x" * 100} for n in range(2, 2000)]
    ((pages,),) = world.sql("PRAGMA page_count")
    connect = sqlite3.connect

    def full(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        return connection

    with monkeypatch.context() as filled:
        filled.setattr(sqlite3, "connect", full)
        with (
            SinkWriter(world.url, sink=NAME, epoch=4, patience=0.0) as writer,
            pytest.raises(SinkUnavailableError, match="full"),
        ):
            writer.write(rows, batch_id="large")
    left = opened.staged(sink, epoch=4).rows
    written = write(world, rows, epoch=4, batch_id="large")
    ((pages,),) = world.sql("PRAGMA page_count")
    with monkeypatch.context() as filled:
        filled.setattr(sqlite3, "connect", full)
        with pytest.raises(PlaneUnavailableError, match="full"):
            opened.merge(sink, epoch=4)
    unmerged = world.sql("SELECT count(*) FROM predictions")

    assert (left, written, unmerged) == (1, 1998, [(1,)])
    assert opened.merge(sink, epoch=4) == MergeCounts(merged=1999, replaced=1, kept=0)
