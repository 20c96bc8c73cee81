"""When to try again: soon at first, never later than in half a minute."""

import random
from collections.abc import Callable
from typing import Final

Backoff = Callable[[int], float]
"""Seconds to wait after so many failed attempts."""

_FIRST: Final = 0.5
_LONGEST: Final = 30.0


def backoff(attempts: int) -> float:
    """Return the seconds to wait after *attempts* failures, at most 30.

    Spread over half of the span, so that many that failed together do not all
    come back together.
    """
    longest = min(_LONGEST, _FIRST * 2.0 ** min(attempts, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
