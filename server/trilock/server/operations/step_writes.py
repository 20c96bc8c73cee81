"""What is written of a step that goes well: the most frequent writes there are.

The statements are made once: making one takes longer than running it. The outcome
of a step and the intent of the next are one transaction, so that a step costs one
durable commit and not two; bench/bench_journal.py holds it to that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from trilock.server.domain.operation import JsonValue, StepState
from trilock.server.operations.records import EVENT, OPERATIONS, STEPS
from trilock.server.store.clock import db_now_ms, now_ms

_OF: Final[sa.BindParameter[str]] = sa.bindparam("of_operation")
_NOW: Final[sa.BindParameter[int]] = sa.bindparam("at_time")
_THE_STEP: Final = sa.and_(
    STEPS.c.operation == _OF, STEPS.c.position == sa.bindparam("at_position")
)


def _json(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=STEPS.c.before.type)


_STARTED: Final = (
    sa.update(STEPS)
    .where(_THE_STEP)
    .values(
        state=StepState.STARTED.value,
        attempts=STEPS.c.attempts + 1,
        before=_json("found_before"),
        started_ms=sa.func.coalesce(STEPS.c.started_ms, _NOW),
    )
)
_DONE: Final = (
    sa.update(STEPS)
    .where(_THE_STEP)
    .values(
        state=StepState.DONE.value,
        before=_json("found_before"),
        result=_json("told_result"),
        error="",
        started_ms=sa.func.coalesce(STEPS.c.started_ms, _NOW),
        ended_ms=_NOW,
    )
)
_TELL: Final = (
    sa.update(OPERATIONS)
    .where(OPERATIONS.c.id == _OF)
    .values(version=OPERATIONS.c.version + 1)
    # Null, which is no, for an operation that nobody told anything.
    .returning(OPERATIONS.c.abort_at_ms <= db_now_ms())
)


def write_started(session: Session, operation_id: str, *, position: int, before: JsonValue) -> None:
    """Write the intent of a step, with what it is going to replace."""
    session.connection().execute(
        _STARTED,
        {
            "of_operation": operation_id,
            "at_position": position,
            "found_before": before,
            "at_time": now_ms(),
        },
    )


def write_done(
    session: Session, operation_id: str, *, position: int, before: JsonValue, result: JsonValue
) -> None:
    """Write the outcome of a step."""
    session.connection().execute(
        _DONE,
        {
            "of_operation": operation_id,
            "at_position": position,
            "found_before": before,
            "told_result": result,
            "at_time": now_ms(),
        },
    )


def write_events(
    session: Session,
    operation_id: str,
    events: Sequence[tuple[str, Mapping[str, JsonValue]]],
    *,
    epoch: int,
    owner: str,
) -> bool:
    """Append events (kind, detail) and tell those who wait for the operation.

    Returns:
        Whether the operation was told to turn back.
    """
    connection = session.connection()
    told = connection.execute(_TELL, {"of_operation": operation_id}).scalar_one()
    now = now_ms()
    connection.execute(
        EVENT,
        [
            {
                "operation": operation_id,
                "at_ms": now,
                "epoch": epoch,
                "owner": owner,
                "kind": kind,
                "detail": dict(detail) or None,
            }
            for kind, detail in events
        ],
    )
    return bool(told)
