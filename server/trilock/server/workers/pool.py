"""A loop that looks for work, and a thread for each piece of it.

A thread each, because a piece that is stuck in an outside call must hold up
nothing else: a rollback does not wait until a promotion has filled its tables.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from trilock.server.domain.errors import UnavailableError
from trilock.server.workers.nudge import Nudge

_GATHER_SECONDS: Final = 0.02
"""How long writes are let gather before a look: most come several at a time, and a look
would take the processor from those who wait for that very write, the readers first."""

_log = logging.getLogger(__name__)


class Workers:
    """Runs *look* after every nudge and every *poll* seconds; it calls `spawn`."""

    def __init__(self, name: str, *, look: Callable[[], None], nudge: Nudge, poll: float) -> None:
        self._name = name
        self._look = look
        self._nudge = nudge
        self._poll = poll
        self._stopping = threading.Event()
        self._mutex = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._loop = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether work should end at the next good place."""
        return self._stopping.is_set()

    def busy(self) -> frozenset[str]:
        """Return the keys of the work that is under way."""
        with self._mutex:
            return frozenset(self._threads)

    def spawn(self, key: str, work: Callable[[], object]) -> bool:
        """Do *work* in a thread of its own, unless *key* is under way; return whether it is done.

        Nothing is begun any more once it stops.
        """
        thread = threading.Thread(
            target=self._work, args=(key, work), name=f"{self._name} {key}", daemon=True
        )
        with self._mutex:
            if key in self._threads or self.stopping:
                return False
            # In this order: one that cannot be started is not under way, and is tried again.
            thread.start()
            self._threads[key] = thread
        return True

    def start(self) -> None:
        """Start looking for work."""
        self._loop.start()

    def stop(self, timeout: float) -> bool:
        """Take on nothing more; return whether all work ended within *timeout* seconds.

        What did not is a daemon's: it ends with the process, like in a crash.
        """
        until = time.monotonic() + timeout
        self._stopping.set()
        self._nudge()
        threads = [self._loop]
        with self._mutex:
            threads += self._threads.values()
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _run(self) -> None:
        while not self.stopping:
            ticket = self._nudge.ticket()
            try:
                self._look()
            except UnavailableError as error:
                _log.warning("%s: %s", self._name, error)
            except Exception:  # noqa: BLE001 - a defect in one look must not end all looks
                _log.exception("%s", self._name)
            if not self.stopping:
                self._nudge.wait(ticket, timeout=self._poll)
                self._stopping.wait(_GATHER_SECONDS)

    def _work(self, key: str, work: Callable[[], object]) -> None:
        failed = True
        try:
            work()
            failed = False
        except UnavailableError as error:
            # Its lease ends by itself; whoever reaches the database then goes on.
            _log.warning("%s %s: %s", self._name, key, error)
        except Exception:  # noqa: BLE001 - a defect in one piece must not end the others
            _log.exception("%s %s", self._name, key)
        finally:
            with self._mutex:
                del self._threads[key]
        if not failed:
            # There is room for another, and perhaps more to do on the same key.
            self._nudge()
