"""A batch is written whole, once, or not at all; and the error says why not."""

import asyncio
import datetime as dt
import decimal
import math
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    SinkWorld,
    SqliteSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.client.sinks import (
    AsyncSinkWriter,
    BatchIdReusedError,
    BatchRejectedError,
    SinkNotOpenError,
    SinkUnavailableError,
    SinkWriter,
    WriterFencedError,
)
from trilock.client.sinks.layout import EpochState

_BATCHES_BEFORE = 3


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> SinkWorld:
    if request.param == "sqlite":
        return SqliteSinkWorld(tmp_path / "sinks.db")
    return PostgresSinkWorld(request.getfixturevalue("postgres_database"))


@pytest.fixture
def direct(world: SinkWorld) -> SinkWorld:
    """A world whose sink `predictions` is open for epoch 4, which writes to the table."""
    world.sql(PREDICTIONS)
    database(world).open_direct(register(world), epoch=4)
    return world


@pytest.fixture
def writer(direct: SinkWorld) -> Iterator[SinkWriter]:
    with SinkWriter(direct.url, sink=NAME, epoch=4, patience=5.0) as writer:
        yield writer


def test_a_repeated_batch_is_written_once(direct: SinkWorld) -> None:
    assert write(direct, flights(f1=1.0), epoch=4, batch_id="a") == 1
    direct.sql("UPDATE predictions SET note = 'seen'")

    assert write(direct, flights(f1=1.0), epoch=4, batch_id="a") == 1
    assert direct.sql("SELECT note FROM predictions") == [("seen",)]


def test_a_batch_id_with_other_rows_is_refused(direct: SinkWorld) -> None:
    write(direct, flights(f1=1.0), epoch=4, batch_id="a")

    with pytest.raises(BatchIdReusedError) as caught:
        write(direct, flights(f1=1.0, f2=2.0), epoch=4, batch_id="a")
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert direct.sql("SELECT count(*) FROM predictions") == [(1,)]


def test_a_row_replaces_the_whole_row(writer: SinkWriter, direct: SinkWorld) -> None:
    writer.write([{"flight": 1, "delay": 1.0, "note": "mine"}])
    writer.write([{"flight": 1, "delay": 2.0}])

    assert direct.sql("SELECT * FROM predictions") == [(1, 2.0, "none")]


def test_no_rows_are_a_batch_too(writer: SinkWriter) -> None:
    assert writer.write([]) == 0


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"flight": 1, "delay": 1.0}, {"flight": None, "delay": 1.0}], ""),
        ([{"delay": 1.0}], "key column 'flight' is missing"),
        ([{"flight": 1}], ""),
        ([{"flight": 1, "delay": 1.0, "oops": 1}], "column 'oops' cannot be written"),
        ([{"flight": 1, "delay": 1.0}, {"flight": 2}], "row 1 has the columns"),
        ([{"flight": 1, "delay": 1.0}] * 2, "key {'flight': 1} is in the batch twice"),
        ([{"flight": 1, "delay": 1.0}, {"flight": 2, "delay": "late"}], "late"),
        ([{"flight": 1.5, "delay": 1.0}], "1.5"),
        ([{"flight": 2**70, "delay": 1.0}], ""),
        ([{"flight": 1, "delay": object()}], ""),
    ],
)
@pytest.mark.parametrize("opening", ["open_staged", "open_direct"])
def test_a_batch_that_does_not_fit_is_refused_whole(
    world: SinkWorld, opening: str, rows: list[dict[str, Any]], what: str
) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    getattr(opened, opening)(sink, epoch=4)
    good = flights(f7=7.0)

    with SinkWriter(world.url, sink=NAME, epoch=4, patience=5.0) as writer:
        with pytest.raises(BatchRejectedError) as caught:
            writer.write(rows, batch_id="a")
        # The batch id is not used up, and the writer goes on.
        assert writer.write(good, batch_id="a") == 1

    assert what in caught.value.what
    assert "nothing was written" in str(caught.value)
    if opening == "open_staged":
        assert opened.staged(sink, epoch=4).rows == 1
    else:
        assert world.sql("SELECT flight FROM predictions") == [(7,)]


def test_a_check_of_the_table_holds_for_staged_rows(world: SinkWorld) -> None:
    world.sql("CREATE TABLE t (flight integer PRIMARY KEY, delay integer CHECK (delay >= 0))")
    sink = register(world, table="t")
    database(world).open_staged(sink, epoch=4)

    with pytest.raises(BatchRejectedError):
        write(world, [{"flight": 1, "delay": -1}], epoch=4)


def test_a_dropped_staging_table_is_named(world: SinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    (table,) = _tables(world, like="predictions__trilock%")
    world.sql(f'DROP TABLE "{table}"')

    with pytest.raises(SinkNotOpenError) as caught:
        write(world, flights(f1=1.0), epoch=4)
    assert table in str(caught.value)


def test_pandas_and_arrow_are_tables_too(writer: SinkWriter, direct: SinkWorld) -> None:
    frame = pd.DataFrame({"flight": [1, 2], "delay": [1.5, 2.5], "note": ["a", math.nan]})
    table = pa.table({"flight": [3], "delay": [3.5], "note": pa.array([None], pa.string())})

    assert writer.write(frame) == 2
    assert writer.write(table) == 1
    assert direct.sql("SELECT * FROM predictions ORDER BY flight") == [
        (1, 1.5, "a"),
        (2, 2.5, None),
        (3, 3.5, None),
    ]


def test_the_async_writer_is_the_same(direct: SinkWorld) -> None:
    async def write_both() -> tuple[int, int]:
        async with AsyncSinkWriter(direct.url, sink=NAME, epoch=4) as writer:
            return await asyncio.gather(
                writer.write(flights(f1=1.0)), writer.write(flights(f2=2.0, f3=3.0))
            )

    assert tuple(asyncio.run(write_both())) == (1, 2)
    assert direct.sql("SELECT count(*) FROM predictions") == [(3,)]


def test_values_of_python_arrive_as_the_database_has_them(world: SinkWorld) -> None:
    world.sql(
        "CREATE TABLE t (id integer PRIMARY KEY, at timestamp, day date, price decimal(9, 2), "
        "tag varchar(40))"
    )
    sink = register(world, table="t", keys=("id",))
    database(world).open_staged(sink, epoch=4)
    tag = uuid.UUID(int=1)
    row = {
        "id": 1,
        "at": dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - the column has no zone
        "day": dt.date(2026, 1, 2),
        "price": decimal.Decimal("1.50"),
        "tag": tag,
    }

    write(world, [row], epoch=4)
    database(world).merge(sink, epoch=4)

    found = world.sql("SELECT id, CAST(at AS text), CAST(day AS text), price, tag FROM t")
    assert found == [(1, "2026-01-02 03:04:05", "2026-01-02", row["price"], str(tag))]


def test_ids_that_the_database_gives_out_stay_its_own(world: SinkWorld) -> None:
    identity = "GENERATED ALWAYS AS IDENTITY" if isinstance(world, PostgresSinkWorld) else ""
    world.sql(
        f"CREATE TABLE t (id integer {identity} PRIMARY KEY, flight integer UNIQUE, delay integer)"
    )
    world.sql("INSERT INTO t (flight, delay) VALUES (1, 10), (2, 20)")
    sink, opened = register(world, table="t"), database(world)
    opened.open_staged(sink, epoch=4)

    write(world, [{"flight": 2, "delay": 2}, {"flight": 3, "delay": 3}], epoch=4)
    opened.merge(sink, epoch=4)
    write(world, [{"flight": 3, "delay": 4}], epoch=4)

    assert world.sql("SELECT flight, delay FROM t ORDER BY id") == [(1, 10), (2, 2), (3, 4)]
    assert world.sql("SELECT id FROM t WHERE flight <= 2 ORDER BY id") == [(1,), (2,)]
    opened.close(sink, epoch=4)
    opened.undo(sink, epoch=4)
    assert world.sql("SELECT * FROM t ORDER BY id") == [(1, 1, 10), (2, 2, 20)]


def test_what_a_trigger_changes_can_be_undone(world: SinkWorld) -> None:
    world.sql(PREDICTIONS)
    for statement in _round_delays_trigger(world):
        world.sql(statement)
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    write(world, flights(f1=1.4, f2=2.4), epoch=4)
    opened.merge(sink, epoch=4)
    write(world, flights(f2=3.4, f3=3.4), epoch=4)

    assert world.sql("SELECT delay FROM predictions ORDER BY flight") == [(1.0,), (3.0,), (3.0,)]
    opened.close(sink, epoch=4)
    assert opened.undo(sink, epoch=4).removed == 3


def test_a_writer_waits_for_the_end_of_a_finalize(world: SinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink = register(world)
    database(world).open_staged(sink, epoch=4)
    write(world, flights(f1=1.0), epoch=4)
    merging, go_on = threading.Event(), threading.Event()

    def pause(site: str) -> None:
        if site == "merge:begun":
            merging.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(2) as pool:
        merge = pool.submit(database(world, checkpoint=pause).merge, sink, epoch=4)
        assert merging.wait(30)
        with (
            SinkWriter(world.url, sink=NAME, epoch=4, patience=0.0) as hasty,
            pytest.raises(SinkUnavailableError, match="is being finalized"),
        ):
            hasty.write(flights(f2=2.0))
        patient = pool.submit(write, world, flights(f2=2.0), epoch=4)
        go_on.set()
        assert merge.result().merged == 1
        assert patient.result() == 1

    assert world.sql("SELECT flight FROM predictions ORDER BY flight") == [(1,), (2,)]


def test_an_epoch_may_be_asked_for_before_each_batch(world: SinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    opened.open_staged(sink, epoch=5)
    epochs = iter([4, 5, 5])

    with SinkWriter(world.url, sink=NAME, epoch=lambda: next(epochs)) as writer:
        for delay in (1.0, 2.0, 3.0):
            writer.write(flights(f1=delay))

    assert opened.staged(sink, epoch=4).rows == opened.staged(sink, epoch=5).rows == 1


def test_nothing_is_added_once_close_has_returned(world: SinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_direct(sink, epoch=4)
    under_way, given_up = threading.Barrier(5), threading.Event()

    def write_until_fenced(number: int) -> int:
        written = 0
        with SinkWriter(world.url, sink=NAME, epoch=4) as writer:
            while not given_up.is_set():
                if written == _BATCHES_BEFORE:
                    under_way.wait(60)
                # All writers write the same keys, and each some of its own.
                own = {"flight": 10 * written + number, "delay": 1.0}
                try:
                    writer.write([*flights(f1=1.0, f2=2.0), own])
                except WriterFencedError:
                    return written
                written += 1
        raise AssertionError("the fence was not closed")

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write_until_fenced, number) for number in range(3, 7)]
        try:
            under_way.wait(60)
            opened.close(sink, epoch=4)
            at_close = world.sql("SELECT count(*) FROM predictions")
        finally:
            given_up.set()
        batches = sum(writer.result() for writer in writers)

    assert opened.state(sink, epoch=4) is EpochState.CLOSED
    assert world.sql("SELECT count(*) FROM predictions") == at_close == [(batches + 2,)]
    assert opened.undo(sink, epoch=4).removed == batches + 2
    assert world.sql("SELECT * FROM predictions") == []


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"

    with (
        SinkWriter(f"sqlite:///{missing}", sink=NAME, epoch=4, patience=0.0) as writer,
        pytest.raises(SinkUnavailableError) as caught,
    ):
        writer.write(flights(f1=1.0), batch_id="a")

    assert caught.value.batch_id == "a"
    assert not missing.exists()


def _tables(world: SinkWorld, *, like: str) -> list[str]:
    query = (
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE "
        if isinstance(world, PostgresSinkWorld)
        else "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE "
    )
    return [name for (name,) in world.sql(f"{query} '{like}'")]


def _round_delays_trigger(world: SinkWorld) -> list[str]:
    if isinstance(world, PostgresSinkWorld):
        return [
            (
                "CREATE FUNCTION round_delay() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN NEW.delay := round(NEW.delay); RETURN NEW; END$$"
            ),
            (
                "CREATE TRIGGER rounded BEFORE INSERT OR UPDATE ON predictions "
                "FOR EACH ROW EXECUTE FUNCTION round_delay()"
            ),
        ]
    return [
        f"CREATE TRIGGER rounded_{verb} AFTER {verb} ON predictions "  # noqa: S608 - two literals
        "WHEN NEW.delay <> round(NEW.delay) "
        "BEGIN UPDATE predictions SET delay = round(delay) WHERE flight = NEW.flight; END"
        for verb in ("INSERT", "UPDATE")
    ]
