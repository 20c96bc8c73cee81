"""The operation of an alias that was switched with another one's pivot.

It has nothing left to do but to be followed: so each alias has an operation of its own
that converges, is waited for and is superseded like any other. Which of them one pivot
switched is told here, whichever of their operations is asked.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from trilock.server.domain.names import AliasName, AliasRef, ModelName, OperationId, ReleaseRef
from trilock.server.domain.operation import (
    Operation,
    OperationKind,
    OperationState,
    Plan,
    StepState,
)
from trilock.server.domain.release import LiveRow
from trilock.server.operations.records import OPERATIONS, end, note
from trilock.server.planning.plan import PLAN_VERSION
from trilock.server.store import codec
from trilock.server.store.clock import now_ms
from trilock.server.store.lookup import find_rows
from trilock.server.store.tables import OperationRow, OperationStepRow

JOINED: Final = "joined"
"""Stands where others have the hash of their request: nobody asked for this one by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """One alias that a pivot switches, and the release that it makes there."""

    alias: AliasRef
    release: ReleaseRef


def switched_together(session: Session, operation: OperationId) -> tuple[Switched, ...]:
    """Return what the pivot that *operation* has, or came with, switches; the leading one first."""
    (row,) = find_rows(session, _BY_ID, of_id=operation)
    return _switched(session, row)


def promoted_with(session: Session, release: ReleaseRef) -> tuple[Switched, ...]:
    """Return what the pivot that promoted *release* made live; nothing if it was no promotion."""
    found = find_rows(session, _PROMOTION, of_model=release.model, of_release=release.number)
    return _switched(session, found[0]) if found else ()


_COLUMNS: Final = [
    OPERATIONS.c[name]
    for name in ("model", "alias", "release", "request_hash", "request_id", "plan")
]
_BY_ID: Final = sa.select(*_COLUMNS).where(OPERATIONS.c.id == sa.bindparam("of_id"))
_PROMOTION: Final = sa.select(*_COLUMNS).where(
    OPERATIONS.c.model == sa.bindparam("of_model"),
    OPERATIONS.c.release == sa.bindparam("of_release"),
    OPERATIONS.c.kind == OperationKind.PROMOTE.value,
)


def _switched(session: Session, row: Any) -> tuple[Switched, ...]:  # noqa: ANN401 - columns
    if row.request_hash == JOINED:
        (row,) = find_rows(session, _BY_ID, of_id=row.request_id.partition(":")[0])
    if row.release is None:
        return ()
    model, name = ModelName(row.model), AliasName(row.alias)
    lead = Switched(alias=AliasRef(model, name), release=ReleaseRef(model, row.release))
    return (
        lead,
        *(
            Switched(alias=AliasRef.parse(one["alias"]), release=ReleaseRef.parse(one["release"]))
            for one in row.plan["steps"][-1]["args"].get("together", [])
        ),
    )


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
