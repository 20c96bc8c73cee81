"""Calls that may hang are waited for no longer than they may take.

MLflow bounds each socket operation, not a call as a whole: a server that sends
a byte a second, a name server that is silent, a database whose lock somebody
holds (MLflow waits 20 s for SQLite) would all keep a thread of ours. So a call
runs in a thread of its own; when its time is over the caller goes on, and the
call ends at its next question instead of doing what nobody waits for any more.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, TypeVar

T = TypeVar("T")

_THREADS: Final = 16
"""Calls of one registry at a time, those included that hang and were given up."""


class OverdueError(Exception):
    """The time is over. The call may still come to an end, unseen."""


class Waiting:
    """Whether somebody still waits for a call."""

    def __init__(self) -> None:
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Say that nobody waits any more."""
        self._given_up.set()

    def check(self) -> None:
        """Do nothing while somebody waits. To be called before every question.

        Raises:
            OverdueError: Nobody waits any more.
        """
        if self._given_up.is_set():
            raise OverdueError


class TimeLimit:
    """Runs calls, each for at most `seconds`. Safe to use from many threads."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds: Final = seconds
        self._threads = threading.BoundedSemaphore(_THREADS)

    def call(self, function: Callable[[Waiting], T]) -> T:
        """Return what *function* returns, or raise what it raises.

        Raises:
            OverdueError: It took longer, or too many calls hang already.
        """
        deadline = time.monotonic() + self.seconds
        if not self._threads.acquire(timeout=self.seconds):
            raise OverdueError
        waiting = Waiting()
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(function(waiting))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                answer.set_exception(error)
            finally:
                self._threads.release()

        # A daemon: a call that hangs must not keep the process from ending.
        threading.Thread(target=work, name="mlflow-call", daemon=True).start()
        done, _ = wait([answer], timeout=max(0.0, deadline - time.monotonic()))
        if not done:
            waiting.give_up()
            raise OverdueError
        return answer.result()
