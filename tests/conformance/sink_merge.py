"""Rows go into the table and out of it again: whole, exactly, in ranges, over any crash."""

from collections.abc import Iterator

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
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import SinkError
from trilock.server.domain.sink import (
    MergeCounts,
    UndoCounts,
)

LOG = "CREATE TABLE log (flight integer NOT NULL, delay double precision)"
LOG_WITH_RELEASE = (
    "CREATE TABLE log (flight integer NOT NULL, delay double precision, trilock_release text)"
)


class _CrashError(Exception):
    pass


def _predictions(world: SinkWorld) -> Table:
    return world.sql("SELECT flight, delay, note FROM predictions ORDER BY flight")


class SinkMergeContract:
    """Subclasses provide the fixture `world`."""

    # merge

    def test_merge_moves_staged_rows_and_opens_the_table(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10.0, 'old'), (9, 90.0, 'old')")
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0), epoch=4)

        counts = opened.merge(sink, epoch=4)
        write(world, flights(f3=3.0), epoch=4)

        assert counts == MergeCounts(merged=2, replaced=1, kept=0)
        assert opened.merge(sink, epoch=4) == counts
        assert opened.state(sink, epoch=4) is EpochState.DIRECT
        assert opened.staged(sink, epoch=4).rows == 0
        assert _predictions(world) == [
            (1, 1.0, "none"),
            (2, 2.0, "none"),
            (3, 3.0, "none"),
            (9, 90.0, "old"),
        ]

    def test_merge_keeps_what_somebody_else_wrote_since(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (2, 20, 'old'), (3, 30, 'old')")
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=4)
        world.sql("UPDATE predictions SET note = 'theirs' WHERE flight = 1")
        world.sql("DELETE FROM predictions WHERE flight = 2")
        world.sql("INSERT INTO predictions VALUES (4, 40, 'theirs')")

        counts = opened.merge(sink, epoch=4)

        assert counts == MergeCounts(merged=2, replaced=1, kept=3)
        assert opened.staged(sink, epoch=4).rows == 3
        assert _predictions(world) == [
            (1, 10.0, "theirs"),
            (3, 3.0, "none"),
            (4, 40.0, "theirs"),
            (5, 5.0, "none"),
        ]

    @pytest.mark.parametrize(
        ("change", "kept", "replaced"),
        [
            ("UPDATE predictions SET note = 'theirs'", 1, 0),
            ("DELETE FROM predictions", 1, 0),
            ("UPDATE predictions SET note = note", 0, 1),
        ],
    )
    def test_merge_sees_each_kind_of_change(
        self, world: SinkWorld, change: str, kept: int, replaced: int
    ) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old')")
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        world.sql(change)
        theirs = _predictions(world)

        counts = opened.merge(sink, epoch=4)

        assert counts == MergeCounts(merged=replaced, replaced=replaced, kept=kept)
        assert _predictions(world) == (theirs if kept else [(1, 1.0, "none")])

    def test_merge_of_a_closed_epoch_is_refused(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        opened.close(sink, epoch=4)

        with pytest.raises(SinkError, match="epoch 4 is CLOSED"):
            opened.merge(sink, epoch=4)
        assert _predictions(world) == []

    # undo

    def test_undo_after_finalize_restores_exactly_what_was(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (2, 20, NULL), (9, 90, 'old')")
        before = _predictions(world)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f3=3.0), epoch=4)
        opened.merge(sink, epoch=4)
        write(world, flights(f1=1.5, f2=2.0, f4=4.0), epoch=4)
        opened.close(sink, epoch=4)

        counts = opened.undo(sink, epoch=4)

        assert counts == UndoCounts(removed=2, restored=2, kept=0)
        assert opened.undo(sink, epoch=4) == counts
        assert _predictions(world) == before
        assert opened.staged(sink, epoch=4).rows == 4

    def test_undo_leaves_what_somebody_else_wrote_since(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (2, 20, 'old')")
        sink, opened = register(world), database(world)
        opened.open_direct(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0), epoch=4)
        world.sql("UPDATE predictions SET note = 'theirs' WHERE flight = 1")
        world.sql("DELETE FROM predictions WHERE flight = 3")
        opened.close(sink, epoch=4)

        counts = opened.undo(sink, epoch=4)

        assert counts == UndoCounts(removed=1, restored=1, kept=2)
        assert _predictions(world) == [(1, 1.0, "theirs"), (2, 20.0, "old")]

    def test_undo_brings_back_a_foreign_row_that_the_writer_replaced(
        self, world: SinkWorld
    ) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_direct(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        world.sql("UPDATE predictions SET note = 'theirs' WHERE flight = 1")
        write(world, flights(f1=2.0), epoch=4)
        opened.close(sink, epoch=4)

        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=1, kept=0)
        assert _predictions(world) == [(1, 1.0, "theirs")]

    def test_a_kept_key_that_looks_alike_is_not_undone(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        world.sql("INSERT INTO predictions VALUES (1, 1.0, 'none')")
        opened.merge(sink, epoch=4)
        opened.close(sink, epoch=4)

        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)
        assert _predictions(world) == [(1, 1.0, "none")]

    def test_epochs_of_19_digits_that_differ_in_one_are_two(self, world: SinkWorld) -> None:
        long = "predictions_of_arrival_delays_by_flight_and_hour"
        world.sql(f"CREATE TABLE {long} (flight text PRIMARY KEY, delay double precision)")
        opened, sink = database(world), register(world, table=long)
        first, second = 1_887_436_800_000_000_001, 1_887_436_800_000_000_002
        opened.open_staged(sink, epoch=first)
        opened.open_staged(sink, epoch=second)
        write(world, flights(f1=1.0), epoch=first)
        write(world, flights(f2=2.0, f3=3.0), epoch=second)

        assert opened.staged(sink, epoch=first).rows == 1
        assert opened.merge(sink, epoch=second).merged == 2
        opened.close(sink, epoch=second)
        assert opened.undo(sink, epoch=second) == UndoCounts(removed=2, restored=0, kept=0)

    def test_undo_of_an_open_epoch_is_refused(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_direct(sink, epoch=4)

        with pytest.raises(SinkError, match="must be closed"):
            opened.undo(sink, epoch=4)

    def test_undo_in_the_soak_changes_nothing(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old')")
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0), epoch=4)
        opened.close(sink, epoch=4)
        quarantined = opened.staged(sink, epoch=4)

        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)
        assert _predictions(world) == [(1, 10.0, "old")]
        assert opened.staged(sink, epoch=4) == quarantined

    # ranges and crashes

    def test_large_merges_and_undos_go_range_by_range(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (2, 20, 'old'), (5, 50, 'old')")
        before = _predictions(world)
        sink, seen = register(world), list[str]()
        opened = database(world, range_size=2, checkpoint=seen.append)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=4)
        world.sql("INSERT INTO predictions VALUES (4, 40, 'theirs')")

        assert opened.merge(sink, epoch=4) == MergeCounts(merged=4, replaced=2, kept=1)
        assert seen.count("merge:merged") == 3
        opened.close(sink, epoch=4)
        assert opened.undo(sink, epoch=4) == UndoCounts(removed=2, restored=2, kept=0)
        assert _predictions(world) == [*before[:1], (4, 40.0, "theirs"), *before[1:]]

    def test_a_crash_anywhere_then_the_same_calls_end_the_same(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink = register(world)
        for number, (verb, site) in enumerate(_crash_sites(world)):
            epoch = 100 + number
            world.sql("DELETE FROM predictions")
            world.sql("INSERT INTO predictions VALUES (2, 20, 'old'), (5, 50, 'old')")

            done = _life(world, epoch=epoch, crash=(verb, site))

            assert done == [
                MergeCounts(merged=4, replaced=2, kept=0),
                [(1, 1.0), (2, 2.0), (3, 3.0), (5, 5.0)],
                UndoCounts(removed=2, restored=2, kept=0),
                [(2, 20.0), (5, 50.0)],
            ], (verb, site)
            assert database(world).state(sink, epoch=epoch) is EpochState.CLOSED

    def test_a_rollback_undoes_the_ranges_merged_so_far(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (2, 20, 'old'), (5, 50, 'old')")
        before = _predictions(world)
        sink = register(world)
        database(world).open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=4)
        committed = iter(range(2))

        def crash_after_two(site: str) -> None:
            if site == "merge:committed" and next(committed) == 1:
                raise _CrashError

        with pytest.raises(_CrashError):
            database(world, range_size=2, checkpoint=crash_after_two).merge(sink, epoch=4)
        half = _predictions(world)
        opened = database(world, range_size=2)
        opened.close(sink, epoch=4)

        assert [row[0] for row in half] == [1, 2, 3, 4, 5]
        assert half[4] == before[1]
        assert opened.undo(sink, epoch=4) == UndoCounts(removed=3, restored=1, kept=0)
        assert _predictions(world) == before
        assert opened.staged(sink, epoch=4).rows == 5


def _life(world: SinkWorld, *, epoch: int, crash: tuple[str, str] | None = None) -> list[object]:
    """Stage, merge, close and undo one epoch; repeat the verb that crashes."""
    sink = register(world)
    done: list[object] = []

    def call(verb: str) -> object:
        def crash_here(site: str) -> None:
            if (verb, site) == crash:
                raise _CrashError

        doomed = database(world, range_size=2, checkpoint=crash_here)
        try:
            return getattr(doomed, verb)(sink, epoch=epoch)
        except _CrashError:
            return getattr(database(world, range_size=2), verb)(sink, epoch=epoch)

    call("open_staged")
    write(world, flights(f1=1.0, f2=2.0, f3=3.0, f5=5.0), epoch=epoch)
    done.append(call("merge"))
    done.append([row[:2] for row in _predictions(world)])
    call("close")
    done.append(call("undo"))
    done.append([row[:2] for row in _predictions(world)])
    return done


def _crash_sites(world: SinkWorld) -> Iterator[tuple[str, str]]:
    """Discover the sites by running once: a new checkpoint is tested for free."""
    sink, seen = register(world), list[str]()
    opened = database(world, range_size=2, checkpoint=seen.append)
    found: dict[tuple[str, str], None] = {}
    for verb in ("open_staged", "merge", "close", "undo"):
        if verb == "merge":
            write(world, flights(f1=1.0, f2=2.0, f3=3.0), epoch=99)
        seen.clear()
        getattr(opened, verb)(sink, epoch=99)
        found |= dict.fromkeys((verb, site) for site in seen)
    assert len(found) >= 10
    return iter(found)
