"""Plans of what is tried beside what is live: a canary's share, and the end of a trial."""

from dataclasses import dataclass

from trilock.server.domain.names import BundleRef, ReleaseRef
from trilock.server.domain.operation import OperationKind, Plan, PlannedStep
from trilock.server.domain.release import LiveRow
from trilock.server.planning.gates import promotion_gates
from trilock.server.planning.plan import Surroundings, make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """As what a bundle is tried beside what is live."""

    percent: int
    """The canary's share, from 1 to 99; 0 for a shadow."""


def trial_pivot(around: Surroundings, bundle: BundleRef, trial: Trial) -> PlannedStep:
    """Return the pivot that puts *bundle* on trial."""
    share = f"{trial.percent} % of the requests" if trial.percent else "a copy of the requests"
    return PlannedStep(
        step="start_trial",
        args={
            "alias": str(around.alias),
            "bundle": str(bundle),
            "percent": trial.percent,
            "expected": None if around.live is None else str(around.live.release),
            "epoch": None,
        },
        title=f"give {bundle} {share} of {around.alias}",
    )


def plan_advance(
    around: Surroundings, *, canary: ReleaseRef, bundle: BundleRef, percent: int
) -> Plan:
    """Return the plan that gives *canary*, which has *bundle*, another share of the requests.

    Whoever serves is asked before it gets more of them; less it may get at any time.
    """
    grows = around.live is None or percent > around.live.canary_percent
    accepted = PlannedStep(
        step="fleet_accepts",
        args={"alias": str(around.alias), "canary": str(canary)},
        title=f"see that the processes that serve {around.alias} have not refused {bundle}",
    )
    steps = [
        *promotion_gates(around.alias, bundle),
        *([accepted] if grows else []),
        PlannedStep(
            step="set_share",
            args={
                "alias": str(around.alias),
                "bundle": str(bundle),
                "canary": str(canary),
                "percent": percent,
            },
            title=f"give {bundle} {percent} % of the requests of {around.alias}",
        ),
    ]
    return make_plan(OperationKind.ADVANCE, around, steps)


def plan_end_trial(around: Surroundings, *, live: LiveRow, trial: ReleaseRef) -> Plan:
    """Return the plan that takes *trial* back. Nothing is before it but the one transaction.

    Its writes were staged, and are fenced and kept apart by what follows.
    """
    steps = [
        PlannedStep(
            step="end_trial",
            args={
                "alias": str(around.alias),
                "bundle": str(live.bundle),
                "expected": str(trial),
                "canary": trial == live.canary,
            },
            title=(
                f"give all requests of {around.alias} back to {live.bundle}"
                if trial == live.canary
                else f"end {trial}, the shadow of {around.alias}"
            ),
        )
    ]
    return make_plan(OperationKind.ROLL_BACK, around, steps)
