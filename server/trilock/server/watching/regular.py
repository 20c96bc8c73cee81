"""Work that is done again and again, in a thread of its own, until it is stopped."""

import logging
import threading
from collections.abc import Callable

from trilock.server.domain.errors import TrilockError

_log = logging.getLogger(__name__)


class Regular:
    """What does its work at intervals, whatever becomes of it."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        every: float,
        first: float,
        unknown: str,
    ) -> None:
        """Do nothing yet.

        Args:
            name: Of the thread.
            work: What is done.
            every: Seconds between the end of one time and the next.
            first: Seconds until the first time.
            unknown: What is logged of a time that failed, before the error.
        """
        self._work = work
        self._every = every
        self._first = first
        self._unknown = unknown
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop, and wait at most *timeout* seconds for the work under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        seconds = self._first
        while not self._stopped.wait(seconds):
            seconds = self._every
            try:
                self._work()
            except TrilockError as error:
                _log.warning("%s: %s", self._unknown, error)
            except Exception:  # noqa: BLE001 - a defect in one time must not end all times
                _log.exception("%s", self._unknown)
