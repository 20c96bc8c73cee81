"""Processes of a test's own, forked from a parent that has imported everything and opened nothing.

A fork of the test process itself would take along whatever its threads happen to
hold (gRPC, Arrow, psycopg and the test runner all have some), and now and then the
child would wait for one of those locks for good.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final

Sender = Connection
"""What a child of `messages` sends over."""

_PRELOADED: Final = (
    "trilock.server.store.database",
    "trilock.server.planes.feast.jobs",
    "tests.support.sink_world",
)
_DEADLINE: Final = 60.0
_LOOK: Final = 0.01


@cache
def _parent() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


@contextmanager
def started(target: Callable[..., None], *args: object) -> Iterator[ForkServerProcess]:
    """Run *target*, a function of a module, in a child; end the child with the block."""
    process = _parent().Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(_DEADLINE)


def exit_code(target: Callable[..., None], *args: object) -> int | None:
    """Return how *target* ended in a child: 0, 1 if it raised, or minus the signal."""
    with started(target, *args) as process:
        process.join(_DEADLINE)
        assert not process.is_alive(), f"{target.__name__} is still running"
        return process.exitcode


def wait_until_stopped(process: ForkServerProcess) -> None:
    """Wait until *process* has sent itself SIGSTOP."""
    stat = Path(f"/proc/{process.pid}/stat")
    for _ in range(round(_DEADLINE / _LOOK)):
        if stat.read_text().rpartition(")")[2].split()[0] == "T":
            return
        threading.Event().wait(_LOOK)
    msg = f"{process.name} did not stop within {_DEADLINE} s"
    raise TimeoutError(msg)


def resumed(process: ForkServerProcess) -> int | None:
    """Let a stopped *process* go on to its end; return how it ended."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    process.join(_DEADLINE)
    return process.exitcode


def messages(target: Callable[..., None], *args: object) -> Iterator[object]:
    """Yield what *target* sends over the connection that it gets as its last argument."""
    reader, writer = _parent().Pipe(duplex=False)
    with reader, started(target, *args, writer) as process:
        writer.close()
        while reader.poll(_DEADLINE):
            try:
                yield reader.recv()
            except EOFError:
                return
        msg = f"{process.name} said nothing for {_DEADLINE} s"
        raise TimeoutError(msg)
