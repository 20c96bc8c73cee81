"""What a plan is made for, and how the steps of one become a value.

Side by side there is no middle state: every feature schema has a Feast project
of its own, so the pivot, one transaction on one row, switches model, features,
sinks and serving config at once. In place the features follow the pivot, or go before
it: whichever leaves readers with what goes together. What comes before the pivot can be
taken back; what comes after it only follows. Gates stand right before it: they change
nothing, and are asked when it is its turn (I2). A planner looks at nothing: what it is
given is all it knows, so equal worlds give equal plans.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.operation import Json, OperationKind, Plan, PlannedStep
from trilock.server.domain.release import NO_RELEASE_ETAG, LiveRow
from trilock.server.domain.sink import Sink
from trilock.server.planning.middle import Way

PLAN_VERSION: Final = 1
"""Version of the steps' arguments. A server drives only plans of a version it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around an alias: which sinks are written to, which planes follow."""

    alias: AliasRef
    live: LiveRow | None
    sinks: tuple[Sink, ...]
    planes: tuple[str, ...]
    """Names of the planes that converge after the pivot."""
    feature_project: str = ""
    """The one project that features are read from, in place; "" side by side."""

    @property
    def etag(self) -> str:
        """The alias's etag."""
        return NO_RELEASE_ETAG if self.live is None else self.live.etag


def make_plan(
    kind: OperationKind,
    around: Surroundings,
    steps: Sequence[PlannedStep],
    *,
    warnings: Sequence[str] = (),
    way: Way | None = None,
) -> Plan:
    """Return the plan of *steps*, with the id that equal plans share.

    Args:
        kind: What the plan is for.
        around: The alias and what is around it.
        steps: In their order, the pivot last.
        warnings: What whoever reviews it should know.
        way: In which order model and features change, in place; None if only one does.
    """
    form = {
        "version": PLAN_VERSION,
        "kind": kind.value,
        "alias": str(around.alias),
        "etag": around.etag,
        "steps": [[step.step, _reviewed(step.args)] for step in steps],
        "planes": list(around.planes),
        # A window that has to be accepted is another plan than one that goes together.
        **({} if way is None else {"way": way.value}),
    }
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    return Plan(
        id=hashlib.sha256(text.encode()).hexdigest()[:16],
        kind=kind,
        alias=around.alias,
        etag=around.etag,
        steps=tuple(steps),
        converges=around.planes,
        warnings=tuple(warnings),
    )


def where(around: Surroundings) -> dict[str, str]:
    """Return the argument of a pivot that says where features are read, in place."""
    return {"feature_project": around.feature_project} if around.feature_project else {}


def name_of(ref: ReleaseRef | None) -> str | None:
    """Return the name of *ref*, as it stands in a step's arguments."""
    return None if ref is None else str(ref)


def _reviewed(args: Json) -> dict[str, Any]:
    # Neither the epoch, which is reserved when the plan is run, nor the times of a
    # default window, which move with the clock.
    settled_later = {"epoch", *(("start", "end") if args.get("window_is_default") else ())}
    return {key: value for key, value in args.items() if key not in settled_later}
