"""Wakes tasks of an event loop from any thread. Only saves time: they look again anyway."""

import asyncio
import contextlib


class Bell:
    """Rings for everybody who waits; nobody is told twice, nothing is queued."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rung: asyncio.Future[None] = loop.create_future()

    def ring(self) -> None:
        """Wake everybody. From any thread; does nothing once the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.ring_here)

    def ring_here(self) -> None:
        """Wake everybody. From the loop's own thread."""
        rung, self._rung = self._rung, self._loop.create_future()
        rung.set_result(None)

    def ticket(self) -> asyncio.Future[None]:
        """Return what `wait` needs: take it, look, then wait with it; nothing is missed."""
        return self._rung

    async def wait(self, ticket: asyncio.Future[None], *, seconds: float) -> bool:
        """Return after a ring since *ticket* was taken, True, or after *seconds*, False."""
        if ticket.done():
            return True
        done, _ = await asyncio.wait((ticket,), timeout=seconds)
        return bool(done)
