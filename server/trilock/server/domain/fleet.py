"""The fleet: which processes follow an alias, and what each makes of its revision.

A watcher reports what it acknowledges, or refuses with a reason. It is counted
until its last report is too old; what it acknowledged is remembered for longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from trilock.server.domain.names import AliasRef

EXPIRES_SECONDS: Final = 30.0
"""How long a watcher is counted after its last report."""

MAX_REFUSAL: Final = 500
"""How many characters of a refusal are kept."""

_NAMED: Final = 20
"""How many stragglers are named; there may be a thousand."""


class WatcherState(StrEnum):
    """What a watcher makes of a revision."""

    SERVING = "SERVING"
    BEHIND = "BEHIND"
    """It has not answered to it yet."""
    REFUSED = "REFUSED"
    """It serves what it served before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One revision of one alias is served, or is not and why."""

    alias: AliasRef
    generation: int
    revision: int
    standby_warm: bool
    refusal: str
    """Empty if it is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingReport:
    """What one process told of itself at once."""

    watcher: str
    principal: str
    acknowledgements: tuple[Acknowledgement, ...]
    leaves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """One process that follows an alias, as it last reported."""

    name: str
    principal: str
    revision: int
    """The newest that it has acknowledged; 0 for none."""
    refused_revision: int
    """The newest that it has refused; 0 for none."""
    refusal: str
    standby_warm: bool
    acknowledged: datetime | None
    reported: datetime

    def state(self, revision: int) -> WatcherState:
        """Return what it makes of *revision*."""
        if self.refused_revision >= revision:
            return WatcherState.REFUSED
        return WatcherState.SERVING if self.revision >= revision else WatcherState.BEHIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All watchers of one alias, held against one revision."""

    revision: int
    watchers: tuple[Watcher, ...]
    """Those that do not serve it first, each part by name."""

    @classmethod
    def of(cls, watchers: Sequence[Watcher], *, revision: int) -> "Fleet":
        """Return the fleet of *watchers* at *revision*."""
        order = list(WatcherState)[::-1]

        def key(watcher: Watcher) -> tuple[int, str]:
            return order.index(watcher.state(revision)), watcher.name

        return cls(revision=revision, watchers=tuple(sorted(watchers, key=key)))

    def those(self, state: WatcherState) -> tuple[Watcher, ...]:
        """Return the watchers in *state*."""
        return tuple(one for one in self.watchers if one.state(self.revision) is state)

    @property
    def warm(self) -> int:
        """How many could go back without loading anything."""
        return sum(watcher.standby_warm for watcher in self.watchers)

    @property
    def stragglers(self) -> tuple[str, ...]:
        """Names of those that do not serve it, at most 20."""
        behind = (*self.those(WatcherState.REFUSED), *self.those(WatcherState.BEHIND))
        return tuple(watcher.name for watcher in behind[:_NAMED])

    @property
    def refusal(self) -> str:
        """Why the first of those that refused did; empty if none did."""
        return next((one.refusal for one in self.those(WatcherState.REFUSED)), "")

    @property
    def refused_by_quorum(self) -> bool:
        """Whether more than half of the watchers refused it."""
        return 2 * len(self.those(WatcherState.REFUSED)) > len(self.watchers)

    def satisfies(self, policy: "WaitFor") -> bool:
        """Return whether enough of them serve it for *policy*."""
        serving = len(self.those(WatcherState.SERVING))
        match policy:
            case WaitFor.ALL:
                return serving == len(self.watchers)
            case WaitFor.QUORUM:
                return 2 * serving > len(self.watchers) or not self.watchers
            case WaitFor.NONE:
                return True

    def __str__(self) -> str:
        """Return e.g. `10 of 12 on revision 42; not api.1f, api.2c`."""
        serving = len(self.those(WatcherState.SERVING))
        text = f"{serving} of {len(self.watchers)} on revision {self.revision}"
        if self.stragglers:
            text += f"; not {', '.join(self.stragglers[:5])}"
            text += " and others" if len(self.watchers) - serving > 5 else ""  # noqa: PLR2004
        if self.refusal:
            text += f"; refused by {len(self.those(WatcherState.REFUSED))}: {self.refusal}"
        return text


class WaitFor(StrEnum):
    """Whom an operation waits for after its pivot."""

    ALL = "all"
    QUORUM = "quorum"
    """More than half."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPolicy:
    """Whom an operation waits for after its pivot, and for how long."""

    wait_for: WaitFor = WaitFor.ALL
    deadline_seconds: float = 30.0
    patience_seconds: float = 0.5
    """How long one try waits. Most answers come within it; later ones end the pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAcknowledgement:
    """Who answered to one revision, and when."""

    alias: AliasRef
    watcher: str
    principal: str
    generation: int
    revision: int
    refusal: str
    at: datetime
