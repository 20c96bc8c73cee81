"""What is loaded beside what is live: canary, shadow and the rollback target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from trilock.client._resolver.contract import content_of
from trilock.client._slot.candidate import Phase
from trilock.client._slot.candidates import MOST_HANGING, Candidates
from trilock.client.live import LiveBundle, ServingBundle

M = TypeVar("M")
F = TypeVar("F")

_LOOK_S: Final = 1.0
"""How soon it is looked again whether loads that hung have come back."""


def beside(live: LiveBundle) -> dict[str, ServingBundle]:
    """Return what else *live* wants loaded, by its role, what is needed soonest first."""
    roles = {"canary": live.canary, "shadow": live.shadow, "standby": live.standby}
    own = content_of(live)
    contents = {role: content_of(one) for role, one in roles.items() if one is not None}
    return {role: content for role, content in contents.items() if content != own}


class Beside(Generic[M, F]):
    """Loads what is to stand beside, and knows what of it does not.

    Args:
        candidates: Where it is loaded.
        load_timeout: Seconds after which a load is said to have failed.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        candidates: Candidates[M, F],
        *,
        load_timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self.missing: dict[str, str] = {}
        """Why what is not loaded is not, by its role."""
        self._candidates = candidates
        self._load_timeout = load_timeout
        self._clock = clock

    def load(self, wanted: Mapping[str, ServingBundle]) -> float | None:
        """Have *wanted* loaded; return after how many seconds to look again."""
        missing: dict[str, str] = {}
        waits = [self._load(content, role, missing) for role, content in wanted.items()]
        self.missing = missing
        return min((wait for wait in waits if wait is not None), default=None)

    def _load(self, content: ServingBundle, role: str, missing: dict[str, str]) -> float | None:
        candidate = self._candidates.get(content) or self._candidates.begin(content)
        now = self._clock()
        if candidate is None:
            missing[role] = f"{MOST_HANGING} earlier loads do not come back"
            return _LOOK_S
        if candidate.phase is Phase.FAILED:
            missing[role] = candidate.problem
            if now >= candidate.retry_at:
                candidate.retry()
            return max(0.0, candidate.retry_at - now)
        if candidate.phase is not Phase.LOADING:
            return None
        left = candidate.since + self._load_timeout - now
        if left > 0:
            # It is tried again: why it failed before still stands.
            if role in self.missing:
                missing[role] = self.missing[role]
            return left
        missing[role] = f"it did not load within {self._load_timeout:g} s"
        return None
