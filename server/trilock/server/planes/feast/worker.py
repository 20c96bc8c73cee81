"""The worker process: run one job, tell what happens, end.

Started by feast_process as `python -m trilock.server.planes.feast.worker`. It
takes over standard input, the working directory and the import path, and ends
with its parent. What the user's code prints goes where the parent wants it;
messages have a pipe of their own.
"""

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO, Final

Tell = Callable[[Mapping[str, Any]], None]
"""Passes one message to the parent."""

_MESSAGE_CHARACTERS: Final = 400


def stopped(job: str, *, seconds: float) -> str:
    """Return what is said of a job that took too long."""
    return f"Feast's worker was stopped after {seconds:g} s ({job.replace('_', ' ')})"


def last_line(error: BaseException) -> str:
    """Return the end of the traceback as one line, with the place in the user's code."""
    where = _place(traceback.extract_tb(error.__traceback__))
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}: "
    # All of its lines: vendors wrap errors, and put the cause last.
    message = shorten(str(error), width=_MESSAGE_CHARACTERS, placeholder=" ...")
    return f"{where}{type(error).__name__}: {message}".rstrip(": ")


def _place(stack: traceback.StackSummary) -> str:
    """Return the innermost place in the user's code as a prefix; "" if it was not there."""
    where = ""
    for frame in stack:
        # Repositories are imported with relative paths, everything else is not.
        if not Path(frame.filename).is_absolute() and not frame.filename.startswith("<"):
            where = f"{frame.filename}:{frame.lineno}: "
    return where


def _end_after(seconds: float, finished: threading.Event, *, job: str, tell: Tell) -> None:
    """End the process, and say where it was, unless it is *finished* within *seconds*."""
    if finished.wait(seconds):
        return
    main = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - its documented use
    where = "" if main is None else _place(traceback.extract_stack(main))
    tell({"error": f"{where}{stopped(job, seconds=seconds)}"})
    os.killpg(0, signal.SIGKILL)


def _end_with(parent: BinaryIO, finished: threading.Event) -> None:
    parent.read(1)
    if not finished.is_set():
        os.killpg(0, signal.SIGKILL)


def main(*, answers: int, jobs: str) -> None:
    """Run the job that standard input names, answering on file descriptor *answers*.

    Args:
        answers: Where messages go, one JSON object a line.
        jobs: The module whose `JOBS` has the job.
    """
    os.set_inheritable(answers, False)
    parent = os.fdopen(os.dup(0), "rb", buffering=0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    with os.fdopen(answers, "w") as out:
        one_by_one = threading.Lock()

        def tell(message: Mapping[str, Any]) -> None:
            with one_by_one:
                out.write(json.dumps(message, default=str) + "\n")
                out.flush()

        request = json.loads(parent.readline())
        finished = threading.Event()
        threading.Thread(target=_end_with, args=(parent, finished), daemon=True).start()
        limit = {"job": request["job"], "tell": tell}
        threading.Thread(
            target=_end_after, args=(request["seconds"], finished), kwargs=limit, daemon=True
        ).start()
        try:
            os.chdir(request["base"])
            importlib.import_module(jobs).JOBS[request["job"]](request, tell)
        except BaseException as error:  # noqa: BLE001 - the user's code raises anything, SystemExit too
            tell({"error": last_line(error)})
        finished.set()
    # Threads and exit handlers of the user's code do not get to keep us.
    os._exit(0)


if __name__ == "__main__":
    main(answers=int(sys.argv[1]), jobs=sys.argv[2])
