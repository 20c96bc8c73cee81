"""What is asked of the bundles of an alias, and what is let pass in spite of it."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from trilock.compat import Policy, Waiver
from trilock.server.domain.names import AliasRef, ModelName, WaiverRef
from trilock.server.domain.release import Cause

DEFAULT_POLICY_ETAG: Final = "default"
"""Etag of a policy that nobody has set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPolicy:
    """The policy of an alias, as it was set, or the default."""

    alias: AliasRef
    policy: Policy
    """Without waivers: those are recorded one by one."""
    revision: int
    """When it was set; 0 for the default."""
    set_at: datetime | None
    cause: Cause | None

    @property
    def etag(self) -> str:
        """What a change of it must name."""
        return str(self.revision) if self.revision else DEFAULT_POLICY_ETAG


class WaiverState(StrEnum):
    """What has become of a waiver."""

    IN_FORCE = "IN_FORCE"
    EXPIRED = "EXPIRED"
    """Its day is over, and nobody ended it: said until somebody does."""
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWaiver:
    """A waiver and who recorded it, and who ended it."""

    ref: WaiverRef
    alias: AliasRef | None
    """None for every alias of the model."""
    waiver: Waiver
    created: datetime
    creator: str
    ended: datetime | None
    ended_by: Cause | None

    @property
    def model(self) -> ModelName:
        """Whose findings it is about."""
        return self.ref.model

    def state(self, today: date) -> WaiverState:
        """Return what has become of it by *today*, the database's day in UTC."""
        if self.ended is not None:
            return WaiverState.ENDED
        return WaiverState.EXPIRED if today > self.waiver.expires else WaiverState.IN_FORCE
