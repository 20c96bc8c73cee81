"""Several plans, of promotions or of rollbacks, as one with one pivot."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from trilock.server.domain.names import ReleaseRef
from trilock.server.domain.operation import OperationKind, Plan
from trilock.server.planning.gates import PROMOTION_GATES
from trilock.server.planning.plan import name_of
from trilock.server.planning.promotion import LEADING


def plan_together(parts: Sequence[Plan], *, releases: Sequence[ReleaseRef | None]) -> Plan:
    """Return the plan that does what *parts* do, with one pivot: that of the first.

    Args:
        parts: Plans of promotions, or of rollbacks, each of an alias of its own. The
            operation is the first one's; the others' pivots are part of its pivot.
        releases: The release that was reserved for each; None as long as it only is a plan.
    """
    lead, *others = parts
    if not others:
        return lead
    pivot = lead.steps[-1]
    joined = [
        {
            **part.steps[-1].args,
            "release": name_of(release),
            "plan": part.id,
            "converges": list(part.converges),
            "title": part.steps[-1].title,
        }
        for part, release in zip(others, releases[1:], strict=True)
    ]
    # What waits for sinks waits as one, however many aliases there are.
    waits = {"waits_as": pivot.args["epoch"]}
    before = [
        replace(step, args={**step.args, **waits}) if step.step == "hand_over_sink" else step
        for part in parts
        for step in part.steps[:-1]
    ]
    leading = [step for step in before if step.step in LEADING]
    gates = [step for step in before if step.step in PROMOTION_GATES]
    names = ", ".join(str(part.alias) for part in parts)
    go = (
        "go back together"
        if lead.kind is OperationKind.ROLL_BACK
        else "go live together; each is finalized and rolled back by itself"
    )
    return replace(
        lead,
        id=hashlib.sha256(" ".join(part.id for part in parts).encode()).hexdigest()[:16],
        steps=(
            *(step for step in before if step.step not in LEADING | PROMOTION_GATES),
            # Readers read them: not before everything else is there.
            *leading,
            *gates,
            replace(
                pivot,
                args={**pivot.args, "together": joined},
                title="; ".join(part.steps[-1].title for part in parts),
            ),
        ),
        warnings=(
            *dict.fromkeys(warning for part in parts for warning in part.warnings),
            f"{names} {go}",
        ),
    )
