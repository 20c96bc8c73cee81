"""What a slot hands out and tells: values, of which a request holds one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from trilock.client._resolver.memory import Freshness
from trilock.client.live import LiveBundle, ServingBundle

M = TypeVar("M")
F = TypeVar("F")


class Standby(StrEnum):
    """What is kept in memory of the rollback target."""

    WARM = "WARM"
    """It is loaded, and a rollback switches at once. Two models in memory."""
    KEPT = "KEPT"
    """It is kept if it served before, but never loaded for this."""
    COLD = "COLD"
    """It is let go: one model in memory, two while switching. A rollback loads it anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served(Generic[M, F]):
    """What answers one request, from its beginning to its end."""

    live: LiveBundle
    """What is live on the alias."""
    bundle: ServingBundle
    """Whose predictions these are: `live`, or its canary or shadow."""
    model: M
    """What `load` returned for it."""
    features: F
    """What `features` returned for it; None without."""
    canary: Served[M, F] | None = None
    """What a share of the requests gets instead, once it is loaded: see `route`."""
    shadow: Served[M, F] | None = None
    """What gets a copy of the requests, once it is loaded, and whose answers nobody sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    """What a slot serves: the answer to "is everybody there yet?"."""

    live: LiveBundle
    """What it serves."""
    standby: ServingBundle | None
    """What it keeps warm beside it: never told before it is loaded and proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a slot does not serve what is live."""

    live: LiveBundle
    """What it was asked to serve."""
    reason: str
    """In one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHealth:
    """How far what a slot serves can be trusted."""

    state: Freshness
    """READY: it serves what is live. STALE: it serves the last good. ERROR: nothing."""
    problem: str
    """Why it is not READY, in one line; empty if it is."""
    serving: LiveBundle | None
    """What it serves."""
    wanted: LiveBundle | None
    """What is live, as far as the resolver knows."""
    standby: ServingBundle | None
    """What is warm beside it."""
    missing: Mapping[str, str]
    """Why `canary`, `shadow` or `standby` is not loaded though it should be."""


OnServing = Callable[[SlotReport], None]
OnRefused = Callable[[Refusal], None]
