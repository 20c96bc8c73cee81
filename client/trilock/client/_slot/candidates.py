"""The bundles that are loaded or on their way: as many as are wanted, and no pile of what hangs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final, Generic, TypeVar

from trilock.client._resolver.contract import content_of
from trilock.client._slot.candidate import Candidate, Pair, Recipe
from trilock.client.live import ServingBundle

M = TypeVar("M")
F = TypeVar("F")

MOST_HANGING: Final = 4
"""More loads than this are not begun while earlier ones do not come back."""


class Candidates(Generic[M, F]):
    """What a slot has in memory, by content.

    Args:
        recipe: How a bundle is made ready.
        told: Called whenever the phase of one has changed.
        clock: A monotonic clock.
    """

    def __init__(
        self, recipe: Recipe[M, F], *, told: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._recipe = recipe
        self._told = told
        self._clock = clock
        self._wanted: dict[ServingBundle, Candidate[M, F]] = {}
        self._given_up: list[Candidate[M, F]] = []

    def get(self, content: ServingBundle) -> Candidate[M, F] | None:
        """Return what is made of *content*; None if it was not begun."""
        return self._wanted.get(content)

    def pair(self, bundle: ServingBundle) -> Pair[M, F] | None:
        """Return the model and the features of *bundle*; None until they are loaded."""
        candidate = self._wanted.get(content_of(bundle))
        return None if candidate is None else candidate.pair

    def begin(self, content: ServingBundle) -> Candidate[M, F] | None:
        """Begin to load *content*; return None while too many earlier loads hang."""
        self._given_up = [one for one in self._given_up if one.busy]
        if len(self._given_up) >= MOST_HANGING:
            return None
        candidate = Candidate(content, self._recipe, told=self._told, clock=self._clock)
        self._wanted[content] = candidate
        candidate.load()
        return candidate

    def keep_only(self, wanted: AbstractSet[ServingBundle]) -> None:
        """Let go of all others; what is at work on one cannot be stopped, and is counted."""
        self._given_up = [one for one in self._given_up if one.busy]
        for content in self._wanted.keys() - wanted:
            candidate = self._wanted.pop(content)
            if candidate.busy:
                self._given_up.append(candidate)
