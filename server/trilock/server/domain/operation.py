"""Operations: durable runs of ordered plans, and what a step of one is.

    RUNNING ──> (pivot) CONVERGING ──> SUCCEEDED
       │                    └────────> SUPERSEDED   a newer pivot took its place
       └─────> COMPENSATING ─────────> COMPENSATED

Every operation ends in one of SUCCEEDED, COMPENSATED, SUPERSEDED without a
person (I3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from trilock.server.domain.names import AliasRef, OperationId, ReleaseRef
from trilock.server.domain.release import Cause

Json = Mapping[str, Any]
"""A JSON object."""

JsonValue = Any
"""Any JSON value: what a step reads, wants and restores."""


class OperationKind(StrEnum):
    """Which verb."""

    PROMOTE = "PROMOTE"
    ADVANCE = "ADVANCE"
    FINALIZE = "FINALIZE"
    ROLL_BACK = "ROLL_BACK"


class OperationState(StrEnum):
    """Where an operation is."""

    RUNNING = "RUNNING"
    COMPENSATING = "COMPENSATING"
    CONVERGING = "CONVERGING"
    SUCCEEDED = "SUCCEEDED"
    COMPENSATED = "COMPENSATED"
    SUPERSEDED = "SUPERSEDED"


ACTIVE_STATES: Final = (OperationState.RUNNING, OperationState.COMPENSATING)
"""States in which somebody must hold its lease and drive it."""

FINAL_STATES: Final = (
    OperationState.SUCCEEDED,
    OperationState.COMPENSATED,
    OperationState.SUPERSEDED,
)


class StepState(StrEnum):
    """Where a step is. STARTED is durable before the effect, DONE after it."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    DONE = "DONE"
    UNDONE = "UNDONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of a plan: which, with what, and what to tell a person."""

    step: str
    """Name of a step in the catalogue, `verb_object`."""
    args: Json
    """What the step needs, so that a re-run decides nothing anew."""
    title: str
    """What it changes where, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An ordered list of steps, as a value: two equal plans have equal ids."""

    id: str
    """Digest over kind, alias, the state it was made for, and the steps, but for what is
    settled when it is run: the release's number, and a default window's times."""
    kind: OperationKind
    alias: AliasRef
    etag: str
    """The alias's etag the plan was made for."""
    steps: tuple[PlannedStep, ...]
    converges: tuple[str, ...]
    """Names of the planes that are driven to the live row after the pivot."""
    warnings: tuple[str, ...] = ()

    def with_epoch(self, epoch: int) -> "Plan":
        """Return the plan with the epoch of the release that was reserved to run it."""
        steps = tuple(
            replace(step, args={**step.args, "epoch": epoch}) if "epoch" in step.args else step
            for step in self.steps
        )
        return replace(self, steps=steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStep:
    """What the journal says of one step."""

    step: str
    title: str
    state: StepState
    attempts: int
    before: JsonValue
    """What was there before; kept from the first look only."""
    result: JsonValue
    error: str
    started: datetime | None
    ended: datetime | None
    progress: str = ""
    """What it told last, in one line; "" for a step that tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A durable run of a plan."""

    id: OperationId
    kind: OperationKind
    alias: AliasRef
    state: OperationState
    plan: Plan
    steps: tuple[OperationStep, ...]
    cause: Cause
    release: ReleaseRef | None
    """The release it makes, or for FINALIZE the one it finalizes."""
    pivot_revision: int | None
    """The revision at which the live row changed; None before that."""
    error_reason: str
    error_message: str
    next_try: datetime | None
    deadline: datetime | None
    """When it turns back unless it is past its pivot; None for never."""
    created: datetime
    ended: datetime | None

    @property
    def name(self) -> str:
        """`operations/{id}`."""
        return f"operations/{self.id}"

    @property
    def done(self) -> bool:
        """Whether it has reached one of its three ends."""
        return self.state in FINAL_STATES
