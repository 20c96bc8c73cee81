"""What `<table>_live` shows: the table as it will be once the live release is finalized."""

from dataclasses import replace

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
from trilock.server.domain.errors import SinkError
from trilock.server.domain.sink import Sink
from trilock.server.sinks.connect import sink_records


def _viewed(world: SinkWorld, **changes: object) -> Sink:
    sink = replace(register(world, **changes), live_view=True)  # type: ignore[arg-type]
    database(world).set_live_view(sink)
    return sink


def _live(world: SinkWorld) -> Table:
    return world.sql("SELECT flight, delay FROM predictions_live ORDER BY flight")


class SinkLiveViewContract:
    """Subclasses provide the fixture `world`."""

    def test_it_shows_the_staged_rows_of_the_release_that_is_live(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (2, 20, 'old')")
        sink, opened = _viewed(world), database(world)
        before = _live(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f2=2.0, f3=3.0), epoch=4)
        not_live_yet = _live(world)
        opened.show(sink, epoch=4)

        assert before == not_live_yet == [(1, 10.0), (2, 20.0)]
        assert _live(world) == [(1, 10.0), (2, 2.0), (3, 3.0)]
        assert opened.shown(sink) == 4

    def test_releases_that_stage_at_once_see_their_own_and_one_is_shown(
        self, world: SinkWorld
    ) -> None:
        """A canary and a shadow beside the stable release of one alias."""
        world.sql(PREDICTIONS)
        sink, opened = _viewed(world), database(world)
        for epoch in (4, 5, 6):
            opened.open_staged(sink, epoch=epoch)
        opened.show(sink, epoch=4)

        write(world, flights(f1=4.0, f4=4.0), epoch=4)
        write(world, flights(f1=5.0, f5=5.0), epoch=5)
        write(world, flights(f1=6.0, f6=6.0), epoch=6)

        stable = _live(world)
        opened.show(sink, epoch=5)
        canary = _live(world)
        opened.close(sink, epoch=6)
        opened.merge(sink, epoch=5)

        records = sink_records(world.url)
        assert (stable, canary) == ([(1, 4.0), (4, 4.0)], [(1, 5.0), (5, 5.0)])
        assert _live(world) == canary
        assert [row["flight"] for row in records.held_apart(sink, epoch=4)] == [1, 4]
        assert [row["flight"] for row in records.held_apart(sink, epoch=6)] == [1, 6]
        # What the canary put into the table since counts as somebody else's.
        assert opened.merge(sink, epoch=4).kept == 1

    def test_it_is_the_same_before_in_the_middle_of_and_after_a_merge(
        self, world: SinkWorld
    ) -> None:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (9, 90, 'old')")
        sink = _viewed(world)
        seen = []
        opened = database(
            world,
            range_size=2,
            checkpoint=lambda site: (
                seen.append((site, _live(world)))
                if site in {"merge:begun", "merge:committed"}
                else None
            ),
        )
        opened.open_staged(sink, epoch=4)
        opened.show(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=4)
        staged = _live(world)
        world.sql("INSERT INTO predictions VALUES (8, 80, 'theirs')")

        opened.merge(sink, epoch=4)

        whole = sorted([*staged, (8, 80.0)])
        assert [site for site, _ in seen] == ["merge:begun", *["merge:committed"] * 3]
        assert all(rows == whole for _, rows in seen)
        assert _live(world) == whole

    def test_a_close_hides_what_is_staged_at_once(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = _viewed(world), database(world)
        opened.open_staged(sink, epoch=4)
        opened.show(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)

        opened.close(sink, epoch=4)

        assert _live(world) == []

    def test_no_definition_changes_at_a_swap(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = _viewed(world), database(world)
        opened.open_staged(sink, epoch=4)
        before = _definition(world)

        opened.show(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        opened.merge(sink, epoch=4)
        opened.open_direct(sink, epoch=5)
        opened.close(sink, epoch=4)
        opened.undo(sink, epoch=4)

        assert _definition(world) == before

    def test_an_append_only_table_has_one_too(self, world: SinkWorld) -> None:
        world.sql("CREATE TABLE predictions (flight integer, delay double precision)")
        world.sql("INSERT INTO predictions VALUES (1, 1)")
        sink, opened = _viewed(world, keys=()), database(world)
        opened.open_staged(sink, epoch=4)
        opened.show(sink, epoch=4)
        write(world, flights(f2=2.0), epoch=4)
        staged = _live(world)
        opened.merge(sink, epoch=4)

        assert staged == _live(world) == [(1, 1.0), (2, 2.0)]

    def test_what_is_purged_or_discarded_leaves_the_view(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink, opened = _viewed(world), database(world)
        for epoch in (4, 5):
            opened.open_staged(sink, epoch=epoch)
        write(world, flights(f1=1.0), epoch=4)

        opened.discard(sink, epoch=5)
        opened.close(sink, epoch=4)
        sink_records(world.url).purge(sink, epoch=4)

        assert _live(world) == []
        assert "_4" not in _definition(world)
        assert "_5" not in _definition(world)

    def test_a_sink_that_wants_none_any_more_has_none(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        sink = _viewed(world)

        database(world).set_live_view(replace(sink, live_view=False))
        database(world).set_live_view(replace(sink, live_view=False))
        world.sql("ALTER TABLE predictions DROP COLUMN note")
        _viewed(world)

        assert world.sql("SELECT * FROM predictions_live") == []

    def test_a_column_more_is_in_it_after_registering_again(self, world: SinkWorld) -> None:
        world.sql(PREDICTIONS)
        _viewed(world)
        world.sql("ALTER TABLE predictions ADD COLUMN extra integer")
        world.sql("INSERT INTO predictions VALUES (1, 1, 'a', 7)")

        _viewed(world)

        assert world.sql("SELECT * FROM predictions_live") == [(1, 1.0, "a", 7)]

    @pytest.mark.parametrize(
        "ddl",
        [
            "CREATE VIEW predictions_live AS SELECT 1 AS one",
            "CREATE TABLE predictions_live (one integer)",
        ],
    )
    def test_what_is_somebody_elses_is_left_alone(self, world: SinkWorld, ddl: str) -> None:
        world.sql(PREDICTIONS)
        world.sql(ddl)

        with pytest.raises(SinkError, match="is something of yours"):
            _viewed(world)
        database(world).set_live_view(register(world))

        assert len(world.sql("SELECT count(one) FROM predictions_live")) == 1

    def test_any_name_will_do_for_it(self, world: SinkWorld) -> None:
        world.sql('CREATE TABLE "it\'s 100% ""mine""" ("fl%ight ""k""" integer PRIMARY KEY)')
        sink = _viewed(world, table='it\'s 100% "mine"', keys=('fl%ight "k"',))
        opened = database(world)
        opened.open_staged(sink, epoch=4)
        opened.show(sink, epoch=4)
        write(world, [{'fl%ight "k"': 7}], epoch=4)

        assert world.sql('SELECT * FROM "it\'s 100% ""mine""_live"') == [(7,)]


def _definition(world: SinkWorld) -> str:
    if world.url.startswith("sqlite"):
        query = "SELECT sql FROM sqlite_master WHERE name = 'predictions_live'"
    else:
        query = "SELECT pg_get_viewdef('predictions_live'::regclass)"
    return str(world.sql(query)[0][0])
