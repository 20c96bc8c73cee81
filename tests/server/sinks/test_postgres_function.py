"""A writer in any language, by one function, is as safe as the Python writer."""

import json
from typing import Any

import psycopg
import pytest

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.server.domain.sink import MergeCounts, UndoCounts
from trilock.server.sinks.connect import sink_records

pytestmark = pytest.mark.slow


@pytest.fixture
def world(postgres_database: str) -> PostgresSinkWorld:
    world = PostgresSinkWorld(postgres_database)
    world.sql(PREDICTIONS)
    return world


def _write(
    world: PostgresSinkWorld, rows: list[dict[str, Any]], *, epoch: int = 4, batch_id: str
) -> int:
    with psycopg.connect(world.url) as connection:
        found = connection.execute(
            "SELECT trilock.write(%s, %s, %s, %s)", (NAME, epoch, batch_id, json.dumps(rows))
        ).fetchone()
    assert found is not None
    (written,) = found
    assert isinstance(written, int)
    return written


def test_the_life_of_a_release(world: PostgresSinkWorld) -> None:
    world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (3, 30, 'old')")
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)

    assert _write(world, flights(f1=1.0, f2=2.0), batch_id="a") == 2
    assert _write(world, flights(f1=1.0, f2=2.0), batch_id="a") == 2
    assert world.sql("SELECT count(*) FROM predictions") == [(2,)]
    assert opened.merge(sink, epoch=4) == MergeCounts(merged=2, replaced=1, kept=0)
    assert _write(world, [{"flight": 3, "delay": 3, "note": None}], batch_id="b") == 1
    write(world, flights(f4=4.0), epoch=4)
    assert world.sql("SELECT * FROM predictions ORDER BY flight") == [
        (1, 1.0, "none"),
        (2, 2.0, "none"),
        (3, 3.0, None),
        (4, 4.0, "none"),
    ]
    opened.close(sink, epoch=4)
    assert opened.undo(sink, epoch=4) == UndoCounts(removed=2, restored=2, kept=0)


def test_a_closed_epoch_is_fenced_whatever_was_kept_of_it(world: PostgresSinkWorld) -> None:
    sink, opened = register(world), database(world)
    opened.open_direct(sink, epoch=4)
    opened.close(sink, epoch=4)

    with pytest.raises(psycopg.Error, match="WRITER_FENCED") as caught:
        _write(world, flights(f1=1.0), batch_id="a")
    assert caught.value.sqlstate == "TL001"
    sink_records(world.url).purge(sink, epoch=4)
    with pytest.raises(psycopg.Error, match="WRITER_FENCED"):
        _write(world, flights(f1=1.0), batch_id="a")
    with pytest.raises(psycopg.Error, match="is not open for epoch 5"):
        _write(world, flights(f1=1.0), epoch=5, batch_id="a")
    assert world.sql("SELECT * FROM predictions") == []


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"delay": 1.0}], "null value"),
        ([{"flight": 1, "delay": 1.0}] * 2, "twice"),
        ([{"flight": 1, "delay": 1.0, "oops": 1}], "column oops cannot be written"),
        ([{"flight": "one", "delay": 1.0}], "invalid input syntax"),
    ],
)
def test_a_bad_batch_is_refused_whole(
    world: PostgresSinkWorld, rows: list[dict[str, Any]], what: str
) -> None:
    sink, opened = register(world), database(world)
    opened.open_direct(sink, epoch=4)

    with pytest.raises(psycopg.Error, match=what):
        _write(world, [*flights(f9=9.0), *rows], batch_id="a")
    assert world.sql("SELECT * FROM predictions") == []
    assert _write(world, flights(f9=9.0), batch_id="a") == 1


def test_a_batch_id_with_other_rows_is_refused(world: PostgresSinkWorld) -> None:
    database(world).open_direct(register(world), epoch=4)
    _write(world, flights(f1=1.0), batch_id="a")

    with pytest.raises(psycopg.Error, match="use a new batch id"):
        _write(world, flights(f1=1.0, f2=2.0), batch_id="a")


def test_an_append_only_table_with_odd_names(world: PostgresSinkWorld) -> None:
    world.sql('CREATE TABLE "it\'s 100%" ("fl""ight %" integer, trilock_release text)')
    sink = register(world, table="it's 100%", keys=())
    database(world).open_direct(sink, epoch=4)

    assert _write(world, [{'fl"ight %': 1}, {'fl"ight %': 1}], batch_id="a") == 2
    assert world.sql('SELECT * FROM "it\'s 100%"') == [(1, "models/delay/releases/4@4")] * 2


def test_a_transaction_of_another_isolation_is_refused(world: PostgresSinkWorld) -> None:
    database(world).open_direct(register(world), epoch=4)

    with psycopg.connect(world.url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.Error, match="READ COMMITTED"):
            connection.execute("SELECT trilock.write(%s, 4, 'a', '[]')", (NAME,))
