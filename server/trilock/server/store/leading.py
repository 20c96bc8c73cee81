"""Whose features the one project is to hold, in place.

Those of the live bundle; but an operation may lead with those of the bundle that it is about
to make live. It leads while it has done the step that says so, has the lock on the alias,
and has not turned back. There is no row that could be forgotten: the lock goes at the pivot,
or to the rollback that pre-empts.
"""

from typing import Final

from sqlmodel import Session, col, select

from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import OperationState, StepState
from trilock.server.domain.release import LiveRow
from trilock.server.store.tables import LockRow, OperationRow, OperationStepRow

LEADS: Final = "lead_features"
"""The step after which an operation leads; its arguments name alias and bundle."""


def held_in_place(session: Session, live: LiveRow) -> BundleRef:
    """Return the bundle whose features the one project of *live* is to hold now."""
    query = (
        select(OperationRow.plan, OperationStepRow.position)
        .join(LockRow, col(LockRow.operation) == col(OperationRow.id))
        .join(OperationStepRow, col(OperationStepRow.operation) == col(OperationRow.id))
        .where(
            LockRow.scope == str(live.alias),
            OperationRow.state == OperationState.RUNNING.value,
            OperationStepRow.step == LEADS,
            OperationStepRow.state == StepState.DONE.value,
        )
    )
    for plan, position in session.exec(query):
        args = plan["steps"][position]["args"]
        if args["alias"] == str(live.alias):
            return BundleRef.parse(args["bundle"])
    return live.bundle
