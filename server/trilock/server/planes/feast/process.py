"""Run one job of Feast in a process of its own.

Whatever the user's code does (print, hang, crash, fork, read standard input),
the caller gets the job's messages, or one error with one line, in bounded
time, and no process of the job stays behind. The job gets one JSON object on
its standard input and answers with JSON lines on a pipe of its own; it ends
when its standard input does, so that it cannot outlive the server.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, Protocol

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.worker import stopped

Message = Mapping[str, Any]
"""What a job tells: `progress`, `done` (a view) or `error`."""

_WORKER: Final = "trilock.server.planes.feast.worker"
_TAIL_BYTES: Final = 4096
_GRACE_S: Final = 1.0
"""A job that takes too long may say where it is; one that cannot even do that is just ended."""


class Worker(Protocol):
    """Whoever can run a job."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """Run the job that *request* describes, passing on what it says as it says it.

        Raises:
            PreconditionError: The job failed, in one line; or took too long.
        """
        ...


class WorkerProcess:
    """Implements Worker with a new process per job."""

    def __init__(self, *, timeout: float, jobs: str = "trilock.server.planes.feast.jobs") -> None:
        self._timeout = timeout
        self._jobs = jobs

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """See Worker."""
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as noise, os.fdopen(reader, "rb") as answers:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-P", "-m", _WORKER, str(writer), self._jobs],
                    stdin=subprocess.PIPE,
                    stdout=noise,
                    stderr=noise,
                    pass_fds=(writer,),
                    start_new_session=True,
                    env=_environment(),
                )
            finally:
                os.close(writer)
            expired = threading.Event()
            alarm = threading.Timer(self._timeout + _GRACE_S, _stop, (process, expired))
            alarm.daemon = True
            alarm.start()
            try:
                timed = {**request, "seconds": self._timeout}
                error = _converse(process, timed, answers=answers, tell=tell)
                # Not reaped yet: its number stays its own until its group is ended.
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            finally:
                # What the job left behind; or the job, if the caller had enough of it.
                _kill_group(process)
                alarm.cancel()
                alarm.join()
                with contextlib.suppress(BrokenPipeError):
                    process.communicate()
            if error is not None:
                raise PreconditionError(error)
            if expired.is_set():
                raise PreconditionError(stopped(request["job"], seconds=self._timeout))
            if process.returncode != 0:
                raise PreconditionError(_epitaph(process.returncode, noise))


def _converse(
    process: "subprocess.Popen[bytes]",
    request: Mapping[str, Any],
    *,
    answers: BinaryIO,
    tell: Callable[[Message], None],
) -> str | None:
    """Pass on what the job tells until it ends; return its error."""
    assert process.stdin is not None  # noqa: S101 - for the type: it was asked for above
    # If it died already, its last words will say why.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request, default=str).encode() + b"\n")
        process.stdin.flush()
    error = None
    for line in answers:
        message = json.loads(line)
        if "error" in message:
            error = str(message["error"])
        else:
            tell(message)
    return error


def _environment() -> dict[str, str]:
    # The repository's code has no business with the server's tokens, and equal
    # code must serialise to equal bytes: sets are ordered by the hash seed.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TRILOCK_")}
    return kept | {"PYTHONHASHSEED": "0"}


def _stop(process: "subprocess.Popen[bytes]", expired: threading.Event) -> None:
    expired.set()
    _kill_group(process)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _epitaph(code: int, noise: BinaryIO) -> str:
    size = noise.seek(0, os.SEEK_END)
    noise.seek(max(0, size - _TAIL_BYTES))
    lines = noise.read().decode(errors="replace").strip().splitlines()
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"Feast's worker ended with {how}: {lines[-1] if lines else 'it said nothing'}"
