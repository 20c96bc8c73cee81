"""Whatever order things happen in, the table is what a simple model says it is."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    SinkWorld,
    SqliteSinkWorld,
    database,
    register,
)
from trilock.client.sinks import SinkWriter, WriterFencedError
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import SinkError
from trilock.server.domain.receipt import RowState
from trilock.server.domain.sink import (
    MergeCounts,
    UndoCounts,
)
from trilock.server.sinks.connect import sink_records
from trilock.server.sinks.sql_sink_database import SqlSinkDatabase

Rows = dict[int, float]


@dataclass
class _Epoch:
    state: EpochState
    before: dict[int, float | None] = field(default_factory=dict)
    """What the table held when the epoch wrote the key."""
    mine: Rows = field(default_factory=dict)
    applied: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    undone: UndoCounts | None = None
    merged: MergeCounts | None = None


class _Model:
    """The reference: one dict for the table, one object for each epoch."""

    def __init__(self) -> None:
        self.table: Rows = {}
        self.epochs: dict[int, _Epoch] = {}

    def write(self, number: int, rows: Rows) -> None:
        epoch = self.epochs[number]
        for key, value in rows.items():
            if epoch.state is EpochState.STAGED:
                epoch.before.setdefault(key, self.table.get(key))
            else:
                own = key in epoch.applied and self.table.get(key) == epoch.mine[key]
                if not own:
                    epoch.before[key] = self.table.get(key)
                epoch.applied.add(key)
                epoch.kept.discard(key)
                self.table[key] = value
            epoch.mine[key] = value

    def merge(self, number: int) -> MergeCounts:
        epoch = self.epochs[number]
        if epoch.merged is None:
            fit = {key for key in epoch.mine if self.table.get(key) == epoch.before[key]}
            replaced = fit & self.table.keys()
            self.table |= {key: epoch.mine[key] for key in fit}
            epoch.applied |= fit
            epoch.kept = epoch.mine.keys() - fit
            epoch.merged = MergeCounts(
                merged=len(fit), replaced=len(replaced), kept=len(epoch.kept)
            )
        epoch.state = EpochState.DIRECT
        return epoch.merged

    def undo(self, number: int) -> UndoCounts:
        epoch = self.epochs[number]
        if epoch.undone is None:
            own = {key for key in epoch.applied if self.table.get(key) == epoch.mine[key]}
            removed = 0
            for key in own:
                before = epoch.before[key]
                if before is None:
                    del self.table[key]
                    removed += 1
                else:
                    self.table[key] = before
            epoch.undone = UndoCounts(
                removed=removed, restored=len(own) - removed, kept=len(epoch.applied - own)
            )
            epoch.applied -= own
        return epoch.undone

    def receipt(self, number: int) -> dict[int, RowState]:
        return {key: self._row_state(self.epochs[number], key) for key in self.epochs[number].mine}

    def _row_state(self, epoch: _Epoch, key: int) -> RowState:
        if key not in epoch.applied:
            return RowState.KEPT if key in epoch.kept else RowState.APART
        if key not in self.table:
            return RowState.GONE
        same = self.table[key] == epoch.mine[key]
        return RowState.PRESENT if same else RowState.REPLACED

    def apart(self, number: int) -> int:
        epoch = self.epochs[number]
        return len(epoch.mine.keys() - epoch.applied)


# Few keys and values: what matters happens when writes meet, or look alike.
keys = st.sampled_from([1, 1, 1, 2])
values = st.sampled_from([0.5, 1.0])
rows = st.dictionaries(keys, values, min_size=1, max_size=2)
epochs = st.sampled_from([0, 0, 1])
steps = st.one_of(
    st.tuples(st.just("write"), epochs, rows, st.integers(0, 1)),
    st.tuples(st.just("write"), epochs, rows, st.integers(0, 1)),
    st.tuples(st.just("foreign"), keys, values),
    st.tuples(st.just("foreign"), keys, st.none() | values),
    st.tuples(st.just("merge"), epochs),
    st.tuples(st.just("close"), epochs),
    st.tuples(st.just("undo"), epochs),
    st.tuples(st.just("crash"), st.sampled_from(["merge", "undo"]), epochs, st.integers(0, 9)),
)
openings = st.lists(st.sampled_from(["open_staged", "open_direct"]), min_size=2, max_size=2)


class _CrashError(BaseException):
    pass


class _Run:
    """One example: two epochs of one sink, two writers for each, and somebody else."""

    def __init__(self, world: SinkWorld, *, first_epoch: int, openings: list[str]) -> None:
        self.world, self.first = world, first_epoch
        self.sink = register(world)
        self.database: SqlSinkDatabase = database(world, range_size=2)
        self.records = sink_records(world.url)
        self.model = _Model()
        world.sql("DELETE FROM predictions")
        for number, opening in enumerate(openings):
            getattr(self.database, opening)(self.sink, epoch=first_epoch + number)
            state = EpochState.STAGED if opening == "open_staged" else EpochState.DIRECT
            self.model.epochs[number] = _Epoch(state=state)
        self.writers = {
            (number, which): SinkWriter(world.url, sink=NAME, epoch=first_epoch + number)
            for number in range(2)
            for which in range(2)
        }

    def write(self, number: int, rows: Rows, which: int) -> None:
        given_rows = [{"flight": key, "delay": value} for key, value in rows.items()]
        if self.model.epochs[number].state is EpochState.CLOSED:
            with pytest.raises(WriterFencedError):
                self.writers[number, which].write(given_rows)
        else:
            self.writers[number, which].write(given_rows)
            self.model.write(number, rows)

    def foreign(self, key: int, value: float | None) -> None:
        self.world.sql(f"DELETE FROM predictions WHERE flight = {key}")  # noqa: S608 - a number
        self.model.table.pop(key, None)
        if value is not None:
            self.world.sql(f"INSERT INTO predictions VALUES ({key}, {value}, 'none')")  # noqa: S608 - numbers
            self.model.table[key] = value

    def merge(self, number: int) -> None:
        if self.model.epochs[number].state is EpochState.CLOSED:
            with pytest.raises(SinkError):
                self.database.merge(self.sink, epoch=self.first + number)
        elif self._may_merge(number):
            found = self.database.merge(self.sink, epoch=self.first + number)
            assert found == self.model.merge(number)

    def _was_merged(self, number: int) -> bool:
        return self.model.epochs[number].merged is not None

    def close(self, number: int) -> None:
        self.database.close(self.sink, epoch=self.first + number)
        self.model.epochs[number].state = EpochState.CLOSED

    def undo(self, number: int) -> None:
        self.close(number)
        assert self.database.undo(self.sink, epoch=self.first + number) == self.model.undo(number)

    def crash(self, verb: str, number: int, site: int) -> None:
        """Crash at the *site*th place of a merge or undo, then do it again, as a recovery does."""
        state = self.model.epochs[number].state
        if verb == "merge" and (state is EpochState.CLOSED or not self._may_merge(number)):
            return
        if verb == "undo":
            self.close(number)
        left = [site]

        def checkpoint(_site: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise _CrashError

        crashing = database(self.world, range_size=2, checkpoint=checkpoint)
        with suppress(_CrashError):
            getattr(crashing, verb)(self.sink, epoch=self.first + number)
        getattr(self, verb)(number)

    def _may_merge(self, number: int) -> bool:
        is_staged = self.model.epochs[number].state is EpochState.STAGED
        return is_staged or self._was_merged(number)

    def check(self) -> None:
        found = self.world.sql("SELECT flight, delay FROM predictions ORDER BY flight")
        assert found == sorted(self.model.table.items())

    def check_apart(self) -> None:
        for number in self.model.epochs:
            found = self.database.staged(self.sink, epoch=self.first + number)
            assert found.rows == self.model.apart(number)
            receipt = {
                row.key[0]: row.state
                for row in self.records.written(self.sink, epoch=self.first + number)
            }
            assert receipt == self.model.receipt(number)
            counted = self.records.receipt(self.sink, epoch=self.first + number).rows
            assert counted == Counter(receipt.values())


@contextmanager
def _run(world: SinkWorld, *, openings: list[str]) -> Iterator[_Run]:
    run = _Run(world, first_epoch=next(_numbers), openings=openings)
    try:
        yield run
    finally:
        for writer in run.writers.values():
            writer.close()


def _even() -> Iterator[int]:
    yield from range(10, 1_000_000, 2)


_numbers = _even()


def _play(world: SinkWorld, openings: list[str], script: list[tuple[Any, ...]]) -> None:
    with _run(world, openings=openings) as run:
        for verb, *arguments in script:
            getattr(run, verb)(*arguments)
            run.check()
        run.check_apart()
        # Whatever came before, in the end it has to be possible to go back.
        for number in (1, 0):
            run.undo(number)
            run.check()
        run.check_apart()


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory where there is one; a disk would take 20 times as long to sync."""
    shared = Path("/dev/shm")  # noqa: S108 - what is in it belongs to this process alone
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def _sqlite_world(folder: Path) -> SinkWorld:
    world = SqliteSinkWorld(folder / f"{next(_numbers)}.db")
    world.sql(PREDICTIONS)
    return world


@pytest.fixture
def postgres_world(postgres_database: str) -> SinkWorld:
    world = PostgresSinkWorld(postgres_database)
    world.sql(PREDICTIONS)
    return world


scripts = st.lists(steps, min_size=5, max_size=15)
shared_database = HealthCheck.function_scoped_fixture  # each example has epochs of its own


@settings(max_examples=80, deadline=None)
@given(openings=openings, script=scripts)
@example(
    openings=["open_staged", "open_direct"],
    script=[("foreign", 1, 0.5), ("write", 0, {1: 1.0}, 0), ("foreign", 1, 1.0), ("merge", 0)],
)
def test_sqlite_does_what_the_model_does(
    memory: Path, openings: list[str], script: list[tuple[Any, ...]]
) -> None:
    # A new file each: a connection reads the whole schema, which would grow and grow.
    _play(_sqlite_world(memory), openings, script)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[shared_database])
@given(openings=openings, script=scripts)
@example(
    openings=["open_staged", "open_direct"],
    script=[("foreign", 1, 0.5), ("write", 0, {1: 1.0}, 0), ("foreign", 1, 1.0), ("merge", 0)],
)
def test_postgres_does_what_the_model_does(
    postgres_world: SinkWorld, openings: list[str], script: list[tuple[Any, ...]]
) -> None:
    _play(postgres_world, openings, script)


def test_the_path_of_a_bad_release(tmp_path: Path) -> None:
    """The founding story, so that it is played in every run."""
    world = _sqlite_world(tmp_path)
    script: list[tuple[Any, ...]] = [
        ("foreign", 1, 0.5),
        ("write", 0, {1: 1.0, 2: 1.0}, 0),
        ("merge", 0),
        ("write", 0, {3: 1.0}, 1),
        ("foreign", 2, 0.5),
        ("undo", 0),
        ("write", 0, {4: 1.0}, 1),
    ]
    _play(world, ["open_staged", "open_direct"], script)
    assert world.sql("SELECT flight, delay FROM predictions") == [(1, 0.5), (2, 0.5)]
