"""What every sink's database can tell about an epoch: exactly what it wrote."""

from datetime import datetime

import pytest

from tests.support.sink_world import PREDICTIONS, SinkWorld, database, flights, register, write
from trilock.server.domain.errors import NotFoundError, SinkError
from trilock.server.domain.receipt import RowState, WrittenRow
from trilock.server.sinks.connect import sink_records


class SinkRecordsContract:
    """Subclasses provide the fixture `world`."""

    def test_a_receipt_says_what_became_of_each_row(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened, records = register(world), database(world), sink_records(world.url)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0), epoch=4, batch_id="staged")
        world.sql("INSERT INTO predictions VALUES (2, 20, 'theirs')")
        in_the_soak = records.receipt(sink, epoch=4).rows
        opened.merge(sink, epoch=4)
        write(world, flights(f5=5.0, f1=1.5), epoch=4, batch_id="direct")
        world.sql("DELETE FROM predictions WHERE flight = 3")
        opened.open_direct(sink, epoch=5)
        write(world, flights(f4=44.0), epoch=5)

        receipt = records.receipt(sink, epoch=4)

        assert in_the_soak == {RowState.APART: 4}
        written = receipt.written
        assert (written.batches, written.rows, written.direct_rows) == (2, 6, 2)
        assert written.first is not None
        assert written.last is not None
        assert datetime.fromisoformat(written.first) <= datetime.fromisoformat(written.last)
        assert receipt.rows == {
            RowState.PRESENT: 2,
            RowState.KEPT: 1,
            RowState.GONE: 1,
            RowState.REPLACED: 1,
        }
        rows = list(records.written(sink, epoch=4))
        assert [_short(row) for row in rows] == [
            (1, RowState.PRESENT, "direct", None),
            (2, RowState.KEPT, "staged", None),
            (3, RowState.GONE, "staged", None),
            (4, RowState.REPLACED, "staged", 5),
            (5, RowState.PRESENT, "direct", None),
        ]
        assert all(datetime.fromisoformat(row.written) for row in rows)

    def test_a_receipt_after_undo_is_of_quarantined_rows(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened, records = register(world), database(world), sink_records(world.url)
        opened.open_direct(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0), epoch=4)
        world.sql("UPDATE predictions SET note = 'theirs' WHERE flight = 2")
        opened.close(sink, epoch=4)
        opened.undo(sink, epoch=4)

        assert records.receipt(sink, epoch=4).rows == {RowState.APART: 1, RowState.REPLACED: 1}
        assert list(records.held_apart(sink, epoch=4)) == [
            {"flight": 1, "delay": 1.0, "note": "none"}
        ]

    def test_quarantined_rows_can_be_replayed(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened, records = register(world), database(world), sink_records(world.url)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f2=2.0, f1=1.0), epoch=4)
        opened.close(sink, epoch=4)
        opened.open_direct(sink, epoch=5)

        rows = list(records.held_apart(sink, epoch=4))
        write(world, [{**row, "delay": 0.0} for row in rows], epoch=5)

        assert [row["flight"] for row in rows] == [1, 2]
        assert world.sql("SELECT flight, delay FROM predictions ORDER BY flight") == [
            (1, 0.0),
            (2, 0.0),
        ]

    def test_the_backfill_query_names_every_key(self, world: SinkWorld) -> None:
        world.sql('CREATE TABLE t ("fl%ight" integer PRIMARY KEY, delay integer)')
        sink, opened = register(world, table="t", keys=("fl%ight",)), database(world)
        opened.open_direct(sink, epoch=4)
        write(world, [{"fl%ight": 7}, {"fl%ight": 3}], epoch=4)
        opened.close(sink, epoch=4)
        opened.undo(sink, epoch=4)

        query = sink_records(world.url).receipt(sink, epoch=4).backfill_sql

        assert world.sql(query) == [(3,), (7,)]

    def test_an_append_only_table_tells_by_its_release_column(self, world: SinkWorld) -> None:
        world.sql("CREATE TABLE plain (flight integer)")
        world.sql("CREATE TABLE marked (flight integer, trilock_release text)")
        records = sink_records(world.url)
        told, listed = {}, {}
        for table in ("plain", "marked"):
            name = f"models/delay/sinks/{table}"
            sink, opened = register(world, table=table, keys=(), name=name), database(world)
            opened.open_staged(sink, epoch=4)
            write(world, [{"flight": 1}, {"flight": 1}], epoch=4, sink=name)
            staged = records.receipt(sink, epoch=4).rows
            opened.merge(sink, epoch=4)
            told[table] = (staged, records.receipt(sink, epoch=4).rows)
            listed[table] = [(row.key, row.state) for row in records.written(sink, epoch=4)]

        release = "models/delay/releases/4@4"
        assert listed == {
            "plain": [],
            "marked": [((1, release), RowState.PRESENT), ((1, release), RowState.PRESENT)],
        }
        assert told == {
            "plain": ({RowState.APART: 2}, None),
            "marked": ({RowState.APART: 2}, {RowState.PRESENT: 2}),
        }

    def test_an_epoch_that_never_was_has_no_receipt(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink = register(world)

        with pytest.raises(NotFoundError):
            sink_records(world.url).receipt(sink, epoch=4)

    def test_purge_deletes_the_rows_of_a_closed_epoch_only(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened, records = register(world), database(world), sink_records(world.url)
        opened.open_direct(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)

        with pytest.raises(SinkError, match="epoch 4 is DIRECT"):
            records.purge(sink, epoch=4)
        opened.close(sink, epoch=4)
        assert records.purge(sink, epoch=4)
        assert not records.purge(sink, epoch=4)

        with pytest.raises(SinkError, match="epoch 4 was purged"):
            records.receipt(sink, epoch=4)
        with pytest.raises(SinkError, match="what epoch 4 wrote was purged"):
            opened.undo(sink, epoch=4)
        assert opened.staged(sink, epoch=4).rows == 0
        assert world.sql("SELECT flight FROM predictions") == [(1,)]


def _short(row: WrittenRow) -> tuple[object, ...]:
    (key,) = row.key
    return (key, row.state, row.batch_id, row.replaced_by)
