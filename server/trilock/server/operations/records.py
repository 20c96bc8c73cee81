"""Rows of operations, to domain values and back; and what every change of one does."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import AliasName, AliasRef, ModelName, OperationId, ReleaseRef
from trilock.server.domain.operation import (
    ACTIVE_STATES,
    Operation,
    OperationKind,
    OperationState,
    OperationStep,
    StepState,
)
from trilock.server.store import codec
from trilock.server.store.clock import db_now_ms, now_ms, to_datetime, to_optional_datetime
from trilock.server.store.tables import OperationEventRow, OperationRow, OperationStepRow

ABORTED: Final = "ABORTED"
"""Reason of an operation that was told to turn back: cancelled, too late, pre-empted."""

# Statements on tables, where a step is written: objects take several times as long.
STEPS: Final = OperationStepRow.metadata.tables["operation_step"]
OPERATIONS: Final = OperationRow.metadata.tables["operation"]
EVENTS: Final = OperationEventRow.metadata.tables["operation_event"]

EVENT: Final = sa.insert(EVENTS).inline()
_BUMP: Final = (
    sa.update(OPERATIONS)
    .where(OPERATIONS.c.id == sa.bindparam("of_operation"))
    .values(version=OPERATIONS.c.version + 1)
)

ACTIVE: Final = tuple(state.value for state in ACTIVE_STATES)


def lease_scope(operation_id: str) -> str:
    """Return the scope of the lease on an operation."""
    return f"operations/{operation_id}"


def lock_operation(session: Session, operation_id: str) -> OperationRow:
    """Return the row, which nobody else can change until the transaction ends.

    Raises:
        NotFoundError: There is no such operation.
    """
    row = session.exec(
        select(OperationRow)
        .where(OperationRow.id == operation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"operations/{operation_id}")
    return row


def note(
    session: Session,
    operation_id: str,
    *,
    kind: str,
    epoch: int = 0,
    owner: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Append an event, and tell those who wait for the operation that it changed.

    Always in the transaction of what it tells of.
    """
    tell(session, operation_id)
    event = {
        "operation": operation_id,
        "at_ms": now_ms(),
        "epoch": epoch,
        "owner": owner,
        "kind": kind,
        "detail": detail,
    }
    session.connection().execute(EVENT, event)


def tell(session: Session, operation_id: str) -> None:
    """Tell those who wait for the operation that something about it changed."""
    session.connection().execute(_BUMP, {"of_operation": operation_id})


def set_step(session: Session, operation_id: str, *, position: int, **values: Any) -> None:  # noqa: ANN401
    """Change columns of one step's row."""
    change = sa.update(STEPS).where(STEPS.c.operation == operation_id, STEPS.c.position == position)
    session.connection().execute(change.values(**values))


def end(row: OperationRow, state: OperationState) -> None:
    """Bring *row* to one of its three ends."""
    row.state = state.value
    row.ended_ms = now_ms()
    row.not_before_ms = 0


def steps_of(session: Session, operation_ids: Sequence[str]) -> dict[str, list[OperationStepRow]]:
    """Return the step rows of each operation, in order."""
    found: dict[str, list[OperationStepRow]] = {id_: [] for id_ in operation_ids}
    query = (
        select(OperationStepRow)
        .where(col(OperationStepRow.operation).in_(operation_ids))
        .order_by(col(OperationStepRow.operation), col(OperationStepRow.position))
    )
    for row in session.exec(query):
        found[row.operation].append(row)
    return found


def to_domain(row: OperationRow, steps: Sequence[OperationStepRow]) -> Operation:
    """Return the operation that *row* and *steps* tell of."""
    plan = codec.plan_from_json(row.plan)
    active = row.state in ACTIVE
    return Operation(
        id=OperationId(row.id),
        kind=OperationKind(row.kind),
        alias=AliasRef(ModelName(row.model), AliasName(row.alias)),
        state=OperationState(row.state),
        plan=plan,
        steps=tuple(
            _step_to_domain(step, title=planned.title)
            for step, planned in zip(steps, plan.steps, strict=True)
        ),
        cause=codec.cause_from_json(row.cause),
        release=None if row.release is None else ReleaseRef(ModelName(row.model), row.release),
        pivot_revision=row.pivot_revision,
        error_reason=row.error_reason,
        error_message=row.error_message,
        next_try=to_datetime(row.not_before_ms) if active and row.not_before_ms else None,
        deadline=to_optional_datetime(row.abort_at_ms),
        created=to_datetime(row.created_ms),
        ended=to_optional_datetime(row.ended_ms),
    )


def _step_to_domain(row: OperationStepRow, *, title: str) -> OperationStep:
    return OperationStep(
        step=row.step,
        title=title,
        state=StepState(row.state),
        attempts=row.attempts,
        before=row.before,
        result=row.result,
        error=row.error,
        progress=row.progress,
        started=to_optional_datetime(row.started_ms),
        ended=to_optional_datetime(row.ended_ms),
    )


def database_now(session: Session) -> int:
    """Return the database's time, ms since the epoch."""
    return session.exec(select(db_now_ms())).one()
