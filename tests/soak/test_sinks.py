"""A bad release of 1,000,000 rows: finalized and rolled back by processes that are killed.

Every run takes another seed, which it prints; TRILOCK_SOAK_SEED repeats one.
TRILOCK_SOAK_ROWS sets another number of rows.
"""

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.children import started
from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    SinkWorld,
    SqliteSinkWorld,
    database,
    register,
)
from trilock.client.sinks import SinkWriter
from trilock.server.domain.receipt import RowState
from trilock.server.domain.sink import MergeCounts, UndoCounts
from trilock.server.sinks.connect import sink_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = int(os.environ.get("TRILOCK_SOAK_ROWS", "1000000"))
EPOCH = 4
_BATCH = 50_000
_KILLS = 6


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> SinkWorld:
    if request.param == "sqlite":
        return SqliteSinkWorld(tmp_path / "sinks.db")
    return PostgresSinkWorld(request.getfixturevalue("postgres_database"))


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("TRILOCK_SOAK_SEED", "0")) or random.SystemRandom().getrandbits(32)
    sys.stdout.write(f"TRILOCK_SOAK_SEED={seed}\n")
    return random.Random(seed)  # noqa: S311 - no secret is made of it


def _finalize(world: SinkWorld) -> None:
    database(world).merge(register(world), epoch=EPOCH)


def _undo(world: SinkWorld) -> None:
    database(world).close(register(world), epoch=EPOCH)
    database(world).undo(register(world), epoch=EPOCH)


def test_a_large_bad_release_leaves_nothing(world: SinkWorld, chance: random.Random) -> None:
    there = ROWS // 2
    world.sql(PREDICTIONS)
    _insert(world, there)
    sink, opened, records = register(world), database(world), sink_records(world.url)
    opened.open_staged(sink, epoch=EPOCH)
    with SinkWriter(world.url, sink=NAME, epoch=EPOCH) as writer:
        for low in range(1, ROWS + 1, _BATCH):
            high = min(low + _BATCH, ROWS + 1)
            writer.write([{"flight": key, "delay": 2.0} for key in range(low, high)])
    foreign = sorted(chance.sample(range(1, there + 1), there // 100))
    _spoil(world, foreign)

    _killed_until_done(_finalize, world, chance)
    merged = opened.merge(sink, epoch=EPOCH)
    spoiled = sorted(chance.sample(sorted(set(range(1, ROWS + 1)) - set(foreign)), ROWS // 200))
    _spoil(world, spoiled)
    in_between = Counter(row.state for row in records.written(sink, epoch=EPOCH))
    _killed_until_done(_undo, world, chance)
    opened.close(sink, epoch=EPOCH)
    undone = opened.undo(sink, epoch=EPOCH)
    states = {row.key[0]: row.state for row in records.written(sink, epoch=EPOCH)}

    old = there - len(foreign)
    assert merged == MergeCounts(merged=ROWS - len(foreign), replaced=old, kept=len(foreign))
    assert in_between == {
        RowState.PRESENT: ROWS - len(foreign) - len(spoiled),
        RowState.REPLACED: len(spoiled),
        RowState.KEPT: len(foreign),
    }
    replaced = sum(key <= there for key in spoiled)
    assert undone == UndoCounts(
        removed=ROWS - there - (len(spoiled) - replaced),
        restored=old - replaced,
        kept=len(spoiled),
    )
    assert [key for key, state in states.items() if state is RowState.KEPT] == foreign
    assert [key for key, state in states.items() if state is RowState.REPLACED] == spoiled
    assert Counter(states.values())[RowState.APART] == ROWS - len(foreign) - len(spoiled)
    assert sum(1 for _ in records.held_apart(sink, epoch=EPOCH)) == ROWS - len(spoiled)
    left: dict[float, int] = dict(
        world.sql("SELECT delay, count(*) FROM predictions GROUP BY delay")
    )
    assert left == {0.5: there - len(foreign) - replaced, -1.0: len(foreign) + len(spoiled)}


def _killed_until_done(
    target: Callable[[SinkWorld], None], world: SinkWorld, chance: random.Random
) -> None:
    for _ in range(_KILLS):
        with started(target, world) as process:
            process.join(chance.uniform(0.05, 2.0))
            if process.exitcode is not None:
                assert process.exitcode == 0
                return
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()


def _insert(world: SinkWorld, count: int) -> None:
    if world.url.startswith("sqlite"):
        numbers = (
            f"(WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {count}) "  # noqa: S608 - a number
            "SELECT k FROM n)"
        )
    else:
        numbers = f"generate_series(1, {count}) k"
    world.sql(f"INSERT INTO predictions SELECT k, 0.5, 'old' FROM {numbers}")  # noqa: S608 - a number


def _spoil(world: SinkWorld, keys: list[int]) -> None:
    """Write some rows as somebody who knows no fence."""
    some = ", ".join(map(str, keys))
    world.sql(f"UPDATE predictions SET delay = -1 WHERE flight IN ({some})")  # noqa: S608 - numbers
