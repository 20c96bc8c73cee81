"""What holds for a table without keys."""

import pytest

from tests.support.sink_world import (
    SinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.server.domain.errors import SinkError
from trilock.server.domain.sink import (
    MergeCounts,
    UndoCounts,
)

LOG = "CREATE TABLE log (flight integer NOT NULL, delay double precision)"
LOG_WITH_RELEASE = (
    "CREATE TABLE log (flight integer NOT NULL, delay double precision, trilock_release text)"
)


class SinkAppendOnlyContract:
    """Subclasses provide the fixture `world`."""

    def test_an_append_only_sink_is_merged_but_not_undone(self, world: SinkWorld) -> None:
        world.sql(LOG)
        sink, opened = register(world, table="log", keys=()), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0), epoch=4)
        write(world, flights(f1=1.0), epoch=4)

        assert opened.staged(sink, epoch=4).rows == 3
        assert opened.staged(sink, epoch=4).first_key is None
        counts = opened.merge(sink, epoch=4)
        assert counts == MergeCounts(merged=3, replaced=0, kept=0)
        assert opened.merge(sink, epoch=4) == counts
        assert opened.staged(sink, epoch=4).rows == 0
        opened.close(sink, epoch=4)
        with pytest.raises(SinkError, match="undo is unavailable"):
            opened.undo(sink, epoch=4)
        assert len(world.sql("SELECT * FROM log")) == 3

    def test_an_append_only_sink_in_the_soak_needs_no_undo(self, world: SinkWorld) -> None:
        world.sql(LOG)
        sink, opened = register(world, table="log", keys=()), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        opened.close(sink, epoch=4)

        assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)
        assert opened.staged(sink, epoch=4).rows == 1

    def test_a_release_column_makes_an_append_only_sink_undoable(self, world: SinkWorld) -> None:
        world.sql(LOG_WITH_RELEASE)
        world.sql("INSERT INTO log VALUES (1, 1.0, NULL)")
        sink, opened = register(world, table="log", keys=()), database(world)
        opened.open_staged(sink, epoch=4)
        write(world, flights(f1=1.0), epoch=4)
        opened.merge(sink, epoch=4)
        write(world, flights(f2=2.0), epoch=4)
        assert world.sql("SELECT * FROM log WHERE flight = 2") == [
            (2, 2.0, "models/delay/releases/4@4")
        ]
        opened.close(sink, epoch=4)

        assert opened.undo(sink, epoch=4) == UndoCounts(removed=2, restored=0, kept=0)
        assert world.sql("SELECT * FROM log") == [(1, 1.0, None)]
        assert opened.staged(sink, epoch=4).rows == 2
