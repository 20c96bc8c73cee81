"""Which rollback left a release: so that pressing twice does nothing twice."""

from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.records import steps_of, to_domain
from trilock.server.store.tables import OperationRow


def find_rollback(session: Session, alias: AliasRef, *, leaves: ReleaseRef) -> Operation | None:
    """Return the newest rollback that left, or is about to leave, *leaves*; None for none."""
    query = (
        select(OperationRow)
        .where(
            OperationRow.model == alias.model,
            OperationRow.alias == alias.alias,
            OperationRow.kind == OperationKind.ROLL_BACK.value,
            col(OperationRow.state).not_in(
                [OperationState.COMPENSATING.value, OperationState.COMPENSATED.value]
            ),
        )
        .order_by(col(OperationRow.created_ms).desc())
    )
    for row in session.exec(query):
        if any(step["args"].get("expected") == str(leaves) for step in row.plan["steps"]):
            return to_domain(row, steps_of(session, [row.id])[row.id])
    return None
