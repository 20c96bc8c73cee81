"""A writer that was stopped in the middle of a batch does not stop a rollback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    SinkWorld,
    database,
    register,
)
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.sink import (
    UndoCounts,
)

pytestmark = pytest.mark.slow

_SCRIPT = Path(__file__).with_name("zombie_writer.py")
_ROLLBACK_SECONDS = 2.0


@pytest.fixture
def world(postgres_database: str) -> SinkWorld:
    return PostgresSinkWorld(postgres_database)


@contextmanager
def _stopped_writer(world: SinkWorld, *, site: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield a writer of epoch 4 that has stopped at *site*."""
    command = [sys.executable, str(_SCRIPT), world.url, NAME, "4", site]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("site", ["entered", "copy", "written"])
@pytest.mark.parametrize("finalized", [False, True])
def test_a_stopped_writer_is_fenced(world: SinkWorld, site: str, *, finalized: bool) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    if finalized:
        opened.merge(sink, epoch=4)

    with _stopped_writer(world, site=site) as writer, ThreadPoolExecutor(1) as pool:
        pool.submit(opened.close, sink, epoch=4).result(timeout=_ROLLBACK_SECONDS)
        assert opened.state(sink, epoch=4) is EpochState.CLOSED
        os.kill(writer.pid, signal.SIGCONT)
        said, _ = writer.communicate(timeout=30)

    assert said == "WRITER_FENCED"
    assert world.sql("SELECT count(*) FROM predictions") == [(0,)]
    assert opened.staged(sink, epoch=4).rows == 0
    assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)
