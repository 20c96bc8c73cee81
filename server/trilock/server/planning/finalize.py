"""The plan of the end of a soak."""

from trilock.server.domain.operation import OperationKind, Plan, PlannedStep
from trilock.server.domain.release import LiveRow
from trilock.server.planning.plan import Surroundings, make_plan


def plan_finalize(around: Surroundings, *, live: LiveRow) -> Plan:
    """Return the plan that ends the soak of the live release."""
    steps = [
        *(
            PlannedStep(
                step="sink_as_registered",
                args={"sink": str(sink.ref), "epoch": live.epoch},
                title=f"see that {sink.table} of {sink.connection} answers and is as registered",
            )
            for sink in around.sinks
        ),
        PlannedStep(
            step="fleet_accepts",
            args={"alias": str(around.alias)},
            title=f"see that the processes that serve {around.alias} have not refused it",
        ),
        PlannedStep(
            step="begin_finalize",
            args={"alias": str(around.alias), "release": str(live.release)},
            title=f"begin to move the staged rows of {live.release} into their tables",
        ),
    ]
    return make_plan(OperationKind.FINALIZE, around, steps)
