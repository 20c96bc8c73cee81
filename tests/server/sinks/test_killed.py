"""A process that is killed at any site of finalize or undo is followed by one that finishes."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.children import exit_code
from tests.support.sink_world import (
    PREDICTIONS,
    PostgresSinkWorld,
    SinkWorld,
    SqliteSinkWorld,
    Table,
    database,
    flights,
    register,
    write,
)
from trilock.server.domain.sink import MergeCounts, UndoCounts

pytestmark = pytest.mark.slow

DIED, LIVED = -signal.SIGKILL, 0
_BEFORE = [(1, 10.0), (2, 20.0), (9, 90.0)]
_MERGED = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (9, 90.0)]


def _finalize(world: SinkWorld, verb: str, epoch: int, site: int) -> None:
    """Merge, or close and undo, and be killed at the *site*th place."""
    left = [site]

    def checkpoint(_site: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    killed = database(world, range_size=2, checkpoint=checkpoint)
    sink = register(world)
    if verb == "merge":
        killed.merge(sink, epoch=epoch)
    else:
        killed.close(sink, epoch=epoch)
        killed.undo(sink, epoch=epoch)


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> SinkWorld:
    if request.param == "sqlite":
        return SqliteSinkWorld(tmp_path / "sinks.db")
    return PostgresSinkWorld(request.getfixturevalue("postgres_database"))


@pytest.mark.parametrize("verb", ["merge", "undo"])
def test_the_next_process_finishes(world: SinkWorld, verb: str) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (2, 20, 'old'), (9, 90, 'old')")
    ended: int | None = DIED
    site = 0
    while ended == DIED:
        epoch = 4 + site
        opened.open_staged(sink, epoch=epoch)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=epoch)
        if verb == "undo":
            opened.merge(sink, epoch=epoch)

        ended = exit_code(_finalize, world, verb, epoch, site)

        if verb == "merge":
            assert opened.merge(sink, epoch=epoch) == MergeCounts(merged=5, replaced=2, kept=0)
            assert _table(world) == _MERGED
        opened.close(sink, epoch=epoch)
        assert opened.undo(sink, epoch=epoch) == UndoCounts(removed=3, restored=2, kept=0)
        assert _table(world) == _BEFORE
        site += 1

    assert ended == LIVED
    # In between, every site was one where it died.
    assert site > 8


def _table(world: SinkWorld) -> Table:
    return world.sql("SELECT flight, delay FROM predictions ORDER BY flight")
