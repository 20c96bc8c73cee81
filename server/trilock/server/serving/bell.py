"""Wakes tasks of an event loop from any thread. Only saves time: they look again anyway."""

import asyncio
import contextlib


class Bell:
    """A count of rings: take a ticket, look, and wait with the ticket.

    What happens between the look and the wait is then not missed. Everybody has
    a future of their own, so that who stops waiting disturbs nobody.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._count = 0
        self._waiting: set[asyncio.Future[bool]] = set()

    def ring(self) -> None:
        """Wake everybody. From any thread; does nothing once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.ring_here)

    def ring_here(self) -> None:
        """Wake everybody. From the loop's own thread."""
        self._count += 1
        woken, self._waiting = self._waiting, set()
        for future in woken:
            _settle(future, rung=True)

    def ticket(self) -> int:
        """Return what `wait` needs to know what the caller has seen."""
        return self._count

    async def wait(self, ticket: int, *, seconds: float) -> bool:
        """Return after a ring since *ticket* was taken, True, or after *seconds*, False."""
        if ticket != self._count:
            return True
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.add(future)
        timer = self._loop.call_later(seconds, _late, future)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.discard(future)


def _settle(future: asyncio.Future[bool], *, rung: bool) -> None:
    if not future.done():
        future.set_result(rung)


def _late(future: asyncio.Future[bool]) -> None:
    _settle(future, rung=False)
