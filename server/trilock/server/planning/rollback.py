"""The plan of a rollback: nothing but what safety needs, and the switch."""

from collections.abc import Sequence

from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import OperationKind, Plan, PlannedStep
from trilock.server.domain.release import LiveRow, Release
from trilock.server.planning.plan import Surroundings, make_plan, name_of, where


def plan_rollback(
    around: Surroundings,
    *,
    live: LiveRow,
    bundle: BundleRef,
    restores: Release | None,
    warnings: Sequence[str] = (),
) -> Plan:
    """Return the plan that makes *bundle*, which was that of *restores*, live again.

    A fallback bundle restores no release: from it there is no target to go back to.

    Nothing but what safety needs stands before the pivot: the fences of the
    release that is left. No check, no plane, no reader is waited for.
    """
    steps = [
        *(
            PlannedStep(
                step="hand_over_sink",
                args={"sink": str(sink.ref), "closes": live.epoch, "epoch": None},
                title=f"fence the writers of {live.release} off {sink.table} of {sink.connection}",
            )
            for sink in around.sinks
        ),
        PlannedStep(
            step="switch_live",
            args={
                "alias": str(around.alias),
                "bundle": str(bundle),
                "kind": "ROLLBACK",
                "expected": str(live.release),
                # It inherits the target of what it restores: pressing on goes further back.
                "target": name_of(None if restores is None else restores.target),
                "restores": name_of(None if restores is None else restores.ref),
                "epoch": None,
                **where(around),
            },
            title=f"switch every reader of {around.alias} back to {bundle}",
        ),
    ]
    return make_plan(OperationKind.ROLL_BACK, around, steps, warnings=warnings)
