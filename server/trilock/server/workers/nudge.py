"""Wakes those who wait for a write in this process. Only saves time: they look again anyway."""

import threading


class Nudge:
    """A count of writes: take a ticket, look, and wait with the ticket.

    What happens between the look and the wait is then not missed.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def __call__(self) -> None:
        """Wake everybody."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def ticket(self) -> int:
        """Return what `wait` needs to know what the caller has seen."""
        with self._condition:
            return self._count

    def wait(self, ticket: int, *, timeout: float) -> None:
        """Return after the first nudge since *ticket* was taken, or after *timeout* seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != ticket, timeout)
