"""Starts programs so that neither they nor what they start outlives the demo.

Each gets a session of its own: ctrl-c is for the demo, which then ends them all,
with whatever they have started.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

_running: Final[set["subprocess.Popen[bytes]"]] = set()
_lock: Final = threading.Lock()


@contextmanager
def started(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    patience: float = 0.0,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield the running program; at the end it is not there any more, nor what it started.

    Args:
        command: The program and its arguments.
        folder: Where it stands.
        environment: All of its environment.
        stdin: As for Popen; by default nothing.
        stdout: As for Popen.
        stderr: As for Popen.
        patience: Seconds it has to end by itself after it was asked to.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - commands are put together in this folder
        command,
        cwd=folder,
        env=environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    with _lock:
        _running.add(process)
    try:
        yield process
    finally:
        if patience and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        _end(process)
        with _lock:
            _running.discard(process)


def end_all() -> None:
    """End every program that runs, without waiting: whoever started it does."""
    with _lock:
        for process in _running:
            _kill(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    _kill(process)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    # Once it is reaped its number may be another's. Then it ended by itself, and
    # what it had started with it.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
