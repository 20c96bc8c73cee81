"""How long to wait before trying again: longer each time, and never all at once."""

import random
from collections.abc import Callable


class Backoff:
    """Seconds to wait, doubling from *first* to *most*, each shortened by up to a half.

    The jitter keeps a fleet that lost its server from coming back as one.
    """

    def __init__(
        self,
        *,
        first: float = 0.1,
        most: float = 5.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self._next = first

    def reset(self) -> None:
        """Begin anew: something worked."""
        self._next = self._first

    def wait(self) -> float:
        """Return how long to wait now."""
        seconds = self._next * (1 - self._jitter() / 2)
        self._next = min(self._most, self._next * 2)
        return seconds
