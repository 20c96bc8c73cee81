"""What every sink's database promises of tables and fences, with every name."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.sink_world import (
    PREDICTIONS,
    SinkWorld,
    Table,
    database,
    flights,
    register,
    write,
)
from trilock.client.sinks import SinkNotOpenError, WriterFencedError
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import SinkError
from trilock.server.domain.sink import (
    MergeCounts,
    SinkColumn,
    StagedCount,
    UndoCounts,
)

LOG = "CREATE TABLE log (flight integer NOT NULL, delay double precision)"
LOG_WITH_RELEASE = (
    "CREATE TABLE log (flight integer NOT NULL, delay double precision, trilock_release text)"
)


def _predictions(world: SinkWorld) -> Table:
    return world.sql("SELECT flight, delay, note FROM predictions ORDER BY flight")


class SinkDatabaseContract:
    """Subclasses provide the fixture `world`."""

    # inspect

    def test_inspect_returns_the_columns(self, world: SinkWorld) -> None:
        world.sql("CREATE TABLE t (flight integer PRIMARY KEY NOT NULL, note text)")

        found = database(world).inspect(table="t", keys=("flight",))

        # SQLite spells the types it knows in capitals, however they were typed.
        assert [replace(column, type=column.type.lower()) for column in found] == [
            SinkColumn(name="flight", type="integer", nullable=False),
            SinkColumn(name="note", type="text", nullable=True),
        ]

    @pytest.mark.parametrize(
        ("ddl", "keys", "problem"),
        [
            ("CREATE TABLE other (a integer)", ("flight",), "there is no such table"),
            (
                "CREATE TABLE t (a integer)",
                ("flight",),
                "it has no column 'flight'",
            ),
            (
                "CREATE TABLE t (flight integer, day integer, PRIMARY KEY (flight, day))",
                ("flight",),
                "no unique index over exactly ['flight']",
            ),
            (
                "CREATE TABLE t (flight integer PRIMARY KEY, trilock__mode text)",
                ("flight",),
                "column 'trilock__mode': names that start with 'trilock__' are trilock's own",
            ),
            (
                "CREATE TABLE t (flight integer PRIMARY KEY, trilock_release date)",
                ("flight",),
                "column 'trilock_release' is date, it must hold text",
            ),
        ],
    )
    def test_inspect_refuses(
        self, world: SinkWorld, ddl: str, keys: tuple[str, ...], problem: str
    ) -> None:
        world.sql(ddl)

        with pytest.raises(SinkError) as caught:
            database(world).inspect(table="t", keys=keys)

        assert caught.value.problems == (problem,)

    def test_inspect_takes_a_unique_index_for_keys(self, world: SinkWorld) -> None:
        world.sql("CREATE TABLE t (id integer PRIMARY KEY, day integer, flight integer)")
        world.sql("CREATE UNIQUE INDEX by_key ON t (flight, day)")

        assert len(database(world).inspect(table="t", keys=("day", "flight"))) == 3

    # open, close, discard

    def test_an_epoch_that_was_never_opened_has_no_state(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink = register(world)

        assert database(world).state(sink, epoch=4) is None
        with pytest.raises(SinkNotOpenError):
            write(world, flights(f1=1.0), epoch=4)

    def test_open_is_idempotent(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)

        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        opened.open_staged(sink, epoch=4)
        opened.open_direct(sink, epoch=5)
        opened.open_direct(sink, epoch=5)

        assert opened.staged(sink, epoch=4).rows == 1
        assert opened.state(sink, epoch=4) is EpochState.STAGED
        assert opened.state(sink, epoch=5) is EpochState.DIRECT

    def test_close_is_for_good(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_direct(sink, epoch=4)

        opened.close(sink, epoch=4)
        opened.close(sink, epoch=4)
        opened.open_direct(sink, epoch=4)

        assert opened.state(sink, epoch=4) is EpochState.CLOSED
        with pytest.raises(SinkError, match="epoch 4 is CLOSED"):
            opened.open_staged(sink, epoch=4)
        with pytest.raises(WriterFencedError):
            write(world, flights(f1=1.0), epoch=4)
        assert _predictions(world) == []

    def test_an_epoch_closed_before_it_was_opened_stays_closed(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)

        opened.close(sink, epoch=4)

        with pytest.raises(SinkError):
            opened.open_staged(sink, epoch=4)
        with pytest.raises(WriterFencedError):
            write(world, flights(f1=1.0), epoch=4)
        assert opened.staged(sink, epoch=4).rows == 0
        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)

    def test_discard_leaves_no_empty_table(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        opened.open_staged(sink, epoch=5)
        write(world, flights(f1=1.0), epoch=5)

        for epoch in (4, 4, 5):
            opened.discard(sink, epoch=epoch)

        assert opened.state(sink, epoch=4) is EpochState.CLOSED
        assert opened.staged(sink, epoch=4).rows == 0
        assert opened.staged(sink, epoch=5).rows == 1

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (
                "ALTER TABLE predictions ADD COLUMN extra integer",
                "column 'extra' was added since it was registered",
            ),
            (
                "ALTER TABLE predictions DROP COLUMN note",
                "column 'note' is gone since it was registered",
            ),
            ("DROP TABLE predictions", "table 'predictions' is gone"),
        ],
    )
    def test_an_altered_table_is_refused(self, world: SinkWorld, change: str, problem: str) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        world.sql(change)

        with pytest.raises(SinkError) as at_open:
            opened.open_staged(sink, epoch=5)
        with pytest.raises(SinkError) as at_merge:
            opened.merge(sink, epoch=4)

        assert at_open.value.problems == at_merge.value.problems == (problem,)
        assert opened.state(sink, epoch=5) is None

    # staged

    def test_staged_rows_are_not_in_the_table(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)

        assert write(world, flights(f2=1.0, f10=2.0), epoch=4) == 2
        assert write(world, flights(f2=3.0), epoch=4) == 1

        found = opened.staged(sink, epoch=4)
        assert (found.rows, found.first_key, found.last_key) == (2, "[2]", "[10]")
        assert opened.count_staged(sink, epoch=4) == StagedCount(rows=2)
        assert opened.count_staged(sink, epoch=5) == StagedCount(rows=0)
        assert _predictions(world) == []

    def test_equal_rows_have_equal_digests(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        for epoch, rows in (
            (4, flights(f1=1.0, f2=2.0)),
            (5, flights(f2=2.0, f1=1.0)),
            (6, flights(f1=1.0, f2=2.5)),
        ):
            opened.open_staged(sink, epoch=epoch)
            write(world, rows, epoch=epoch)

        four, five, six = (opened.staged(sink, epoch=epoch).digest for epoch in (4, 5, 6))

        assert four == five
        assert four != six

    def test_releases_stage_apart(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        opened.open_staged(sink, epoch=5)

        write(world, flights(f1=1.0), epoch=4)
        write(world, flights(f1=5.0, f2=5.0), epoch=5)
        opened.close(sink, epoch=5)
        opened.merge(sink, epoch=4)

        assert _predictions(world) == [(1, 1.0, "none")]
        assert opened.staged(sink, epoch=5).rows == 2

    # names

    @pytest.mark.parametrize("table", ['pre"dic tions', "50%s off", "a.b", "x" * 63, "ÄÖ" * 15])
    def test_any_name_will_do(self, world: SinkWorld, table: str) -> None:
        quoted = table.replace('"', '""')
        select = f'SELECT * FROM "{quoted}"'  # noqa: S608 - quoted above
        world.sql(
            f'CREATE TABLE "{quoted}" ("fl""ight %s" integer PRIMARY KEY, "de lay" integer, '
            '":x" text)'
        )
        world.sql(f"INSERT INTO \"{quoted}\" VALUES (1, 10, 'old')")  # noqa: S608 - quoted above
        sink = register(world, table=table, keys=('fl"ight %s',))
        opened = database(world)
        opened.open_staged(sink, epoch=4)
        row: dict[str, Any] = {'fl"ight %s': 1, "de lay": 5, ":x": "it's 100%"}
        write(world, [row], epoch=4)

        assert opened.merge(sink, epoch=4) == MergeCounts(merged=1, replaced=1, kept=0)
        write(world, [{**row, "de lay": 6}], epoch=4)
        assert world.sql(select) == [(1, 6, "it's 100%")]
        opened.close(sink, epoch=4)
        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=1, kept=0)
        assert world.sql(select) == [(1, 10, "old")]
