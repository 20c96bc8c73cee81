"""Releases, and the live row that they take turns on.

A release is the time one bundle is live on one alias. Releases are appended,
never rewritten: going back makes a new one.

    promote ──> SOAKING ──finalize──> FINALIZING ──> FINALIZED ──> SUPERSEDED
                   │                      │               │
                   └──────── roll back ───┴───────────────┴──────> ROLLED_BACK

    promote --canary ──> CANARY ──advance 100──> SOAKING
    promote --shadow ──> SHADOW        either, taken back ──> ROLLED_BACK

A release on trial, a canary or a shadow, is beside the live one.

A soak can be paused: its clock stops, and it is not finalized until it is resumed. That
is a mark on the release, not a state of its own: its writes are staged as before.

A rollback's own release starts as FINALIZING (its planes still converge, its
writes go to the table itself) and is FINALIZED once they have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef

Together = Mapping[AliasRef, BundleRef]
"""Bundles that go live with one pivot, by alias."""

ALONE: Final[Together] = {}


class ReleaseState(StrEnum):
    """Where a release is in its life."""

    SOAKING = "SOAKING"
    FINALIZING = "FINALIZING"
    FINALIZED = "FINALIZED"
    SUPERSEDED = "SUPERSEDED"
    ROLLED_BACK = "ROLLED_BACK"
    CANARY = "CANARY"
    """On trial beside the live release, with a share of the requests."""
    SHADOW = "SHADOW"
    """On trial beside the live release, with a copy of the requests."""


LIVE_STATES: Final = frozenset(
    {ReleaseState.SOAKING, ReleaseState.FINALIZING, ReleaseState.FINALIZED}
)

_NEXT: Final = {
    ReleaseState.SOAKING: {ReleaseState.FINALIZING, ReleaseState.ROLLED_BACK},
    ReleaseState.FINALIZING: {
        ReleaseState.FINALIZED,
        ReleaseState.SUPERSEDED,
        ReleaseState.ROLLED_BACK,
    },
    ReleaseState.FINALIZED: {ReleaseState.SUPERSEDED, ReleaseState.ROLLED_BACK},
    ReleaseState.SUPERSEDED: set[ReleaseState](),
    ReleaseState.ROLLED_BACK: set[ReleaseState](),
    ReleaseState.CANARY: {ReleaseState.SOAKING, ReleaseState.ROLLED_BACK},
    ReleaseState.SHADOW: {ReleaseState.ROLLED_BACK},
}


def require_transition(release: ReleaseRef, *, old: ReleaseState, new: ReleaseState) -> None:
    """Do nothing if *release* may go from *old* to *new*.

    Raises:
        WrongStateError: It may not.
    """
    if new not in _NEXT[old]:
        raise WrongStateError(resource=str(release), state=old, verb=f"made {new}")


class ReleaseKind(StrEnum):
    """Which verb made a release."""

    PROMOTION = "PROMOTION"
    ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who did it and why. Travels with every event."""

    principal: str
    reason: str = ""
    incident: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which a soak's clock stands still."""

    revision: int
    started: datetime
    cause: Cause
    ended_revision: int | None
    ended: datetime | None
    ended_by: Cause | None
    """Who resumed it; None if nobody did."""


_NUMBER_BITS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedRelease:
    """A release to be: its number, and the epoch that its writers will hold."""

    ref: ReleaseRef
    epoch: int

    @classmethod
    def of(cls, ref: ReleaseRef, *, generation: int) -> Self:
        """Reserve *ref* in a store of that *generation*.

        A store that was restored from a copy, or made anew, gives numbers again;
        what a sink's database keeps of an epoch must never be taken for another
        release's. A generation is a time in ms, so an epoch fits an int64
        until the year 2248; its lowest 20 bits are the number.
        """
        return cls(ref=ref, epoch=(generation << _NUMBER_BITS) + ref.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The time one bundle is live on one alias."""

    ref: ReleaseRef
    epoch: int
    """What its writers hold; unlike its number never given again (`ReservedRelease`)."""
    alias: AliasRef
    bundle: BundleRef
    kind: ReleaseKind
    state: ReleaseState
    target: ReleaseRef | None
    """The rollback target, fixed at the promotion; None for the first release."""
    leaves: ReleaseRef | None
    """The release that was live before this one."""
    leaves_bundle: BundleRef | None
    """Its bundle."""
    feature_project: str
    """The Feast project that its features are read from; "" for its schema's own."""
    restores: ReleaseRef | None
    """For a rollback, the release whose bundle is live again."""
    revision: int
    """The store revision at which it went live."""
    started: datetime
    ended: datetime | None
    cause: Cause
    ended_by: Cause | None
    acknowledged_ms: int | None
    """From its pivot to the last acknowledgement of a watcher that was there then."""
    acknowledged: int
    """How many of those have."""
    pauses: tuple[Pause, ...] = ()
    """Of its soak, oldest first; at most the last one has no end."""

    @property
    def acknowledged_s(self) -> float | None:
        """`acknowledged_ms` in seconds: the measured time to switch the fleet."""
        return None if self.acknowledged_ms is None else self.acknowledged_ms / 1000

    @property
    def paused(self) -> Pause | None:
        """The pause that its soak is in; None for none."""
        soaks = self.state is ReleaseState.SOAKING
        last = self.pauses[-1] if soaks and self.pauses else None
        return last if last is not None and last.ended is None else None

    def soaked(self, now: datetime) -> timedelta:
        """Return how long it has soaked at *now*, by a clock that stands still in pauses."""
        until = self.ended or now
        still = sum(
            ((pause.ended or until) - pause.started for pause in self.pauses), start=timedelta()
        )
        return max(timedelta(), until - self.started - still)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """The truth about one alias: one row, changed by one transaction.

    Everything a reader needs hangs on it, so whoever resolves through trilock
    switches model, features, sinks and serving config at once.
    """

    alias: AliasRef
    release: ReleaseRef
    epoch: int
    """The live release's epoch."""
    state: ReleaseState
    bundle: BundleRef
    target: ReleaseRef | None
    revision: int
    """The revision of the last change of this row; planes converge to it."""
    switched_revision: int
    """The revision of the last pivot: since when its release is live."""
    cause: Cause
    """Who made the last change, and why."""
    canary: ReleaseRef | None = None
    """The release that `canary_percent` of the requests go to."""
    canary_percent: int = 0
    """From 1 to 99 while there is a canary."""
    shadow: ReleaseRef | None = None
    """The release that gets a copy of the requests."""

    @property
    def trials(self) -> tuple[ReleaseRef, ...]:
        """The releases on trial beside the live one."""
        return tuple(ref for ref in (self.canary, self.shadow) if ref is not None)

    @property
    def needed(self) -> tuple[ReleaseRef, ...]:
        """The releases that readers are given, and the one to go back to: the live one first."""
        target = () if self.target is None else (self.target,)
        return (self.release, *target, *self.trials)

    @property
    def etag(self) -> str:
        """For compare-and-set by callers; quoted, as in HTTP."""
        return f'"{self.revision}"'


NO_RELEASE_ETAG: Final = '"0"'
"""The etag of an alias that nothing was ever released on."""
