"""The operation of an alias that went live with another one's pivot.

It has nothing left to do but to be followed: so each alias has an operation of its own
that converges, is waited for and is superseded like any other.
"""

import uuid
from typing import Final

from sqlmodel import Session

from trilock.server.domain.operation import Operation, OperationState, Plan, StepState
from trilock.server.domain.release import LiveRow
from trilock.server.operations.records import end, note
from trilock.server.planning.planner import PLAN_VERSION
from trilock.server.store import codec
from trilock.server.store.clock import now_ms
from trilock.server.store.tables import OperationRow, OperationStepRow

JOINED: Final = "joined"
"""Stands where others have the hash of their request: nobody asked for this one by itself."""


def follow(session: Session, plan: Plan, *, of: Operation, live: LiveRow) -> None:
    """Write the operation that is past its pivot, in the transaction of that pivot.

    Args:
        session: The pivot's transaction.
        plan: What it would have been; its only step is the pivot.
        of: The operation whose pivot it was.
        live: What went live.
    """
    now = now_ms()
    row = OperationRow(
        id=uuid.uuid4().hex,
        request_id=f"{of.id}:{plan.alias}",
        request_hash=JOINED,
        kind=plan.kind.value,
        model=plan.alias.model,
        alias=plan.alias.alias,
        release=live.release.number,
        plan=codec.plan_to_json(plan),
        plan_version=PLAN_VERSION,
        scopes=[],
        state=OperationState.CONVERGING.value,
        pivot_revision=live.revision,
        cause=codec.cause_to_json(of.cause),
        created_ms=now,
    )
    if not plan.converges:
        end(row, OperationState.SUCCEEDED)
    session.add(row)
    session.flush()
    session.add(
        OperationStepRow(
            operation=row.id,
            position=0,
            step=plan.steps[0].step,
            state=StepState.DONE.value,
            result={"revision": live.revision},
            started_ms=now,
            ended_ms=now,
        )
    )
    session.flush()
    note(session, row.id, kind="joined", detail={"operation": of.name})
