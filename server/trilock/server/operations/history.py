"""Which rollback left, or made, a release: so that pressing twice does nothing twice."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.records import steps_of, to_domain
from trilock.server.store.tables import OperationRow, ReleaseRow

_ROLLBACK_LOCKS: Final = 7420
"""First half of the key of PostgreSQL's advisory locks on the rollbacks of an alias."""

_TURNED_BACK: Final = (OperationState.COMPENSATING.value, OperationState.COMPENSATED.value)


def lock_rollbacks(session: Session, alias: AliasRef) -> None:
    """Let nobody else start a rollback of *alias* until the transaction ends.

    Only rollbacks take it, and for a moment who removes feature projects, so that it
    stands in the way of nothing else.
    """
    # On SQLite a write session has no rival anyway.
    if session.get_bind().dialect.name == "postgresql":
        key = sa.func.hashtext(str(alias))
        session.exec(select(sa.func.pg_advisory_xact_lock(_ROLLBACK_LOCKS, key)))


def find_rollback(session: Session, alias: AliasRef, *, leaves: ReleaseRef) -> Operation | None:
    """Return the newest rollback that left, or is about to leave, *leaves*; None for none."""
    begun = (
        sa.select(col(ReleaseRow.revision))
        .where(col(ReleaseRow.model) == leaves.model, col(ReleaseRow.number) == leaves.number)
        .scalar_subquery()
    )
    query = (
        select(OperationRow)
        .where(
            OperationRow.model == alias.model,
            OperationRow.alias == alias.alias,
            OperationRow.kind == OperationKind.ROLL_BACK.value,
            col(OperationRow.state).not_in(_TURNED_BACK),
            # One that switched before the release began left another: its plan is not read.
            sa.or_(
                col(OperationRow.pivot_revision).is_(None),
                col(OperationRow.pivot_revision) > sa.func.coalesce(begun, 0),
            ),
        )
        .order_by(col(OperationRow.created_ms).desc())
    )
    for row in session.exec(query):
        if any(step["args"].get("expected") == str(leaves) for step in row.plan["steps"]):
            return _to_domain(session, row)
    return None


def find_rollback_to(session: Session, release: ReleaseRef) -> Operation | None:
    """Return the rollback that made *release*; None for none."""
    row = session.exec(
        select(OperationRow).where(
            OperationRow.model == release.model,
            OperationRow.release == release.number,
            OperationRow.kind == OperationKind.ROLL_BACK.value,
            col(OperationRow.state).not_in(_TURNED_BACK),
        )
    ).first()
    return None if row is None else _to_domain(session, row)


def find_canary_end(session: Session, alias: AliasRef, *, since_ms: int) -> Operation | None:
    """Return the newest rollback of *alias*, if it took back a canary and began since then."""
    row = session.exec(
        select(OperationRow)
        .where(
            OperationRow.model == alias.model,
            OperationRow.alias == alias.alias,
            OperationRow.kind == OperationKind.ROLL_BACK.value,
            col(OperationRow.state).not_in(_TURNED_BACK),
        )
        .order_by(col(OperationRow.created_ms).desc())
        .limit(1)
    ).first()
    if row is None or row.created_ms < since_ms:
        return None
    is_canary = any(step["args"].get("canary") for step in row.plan["steps"])
    return _to_domain(session, row) if is_canary else None


def restored_bundle(rollback: Operation) -> BundleRef:
    """Return the bundle that *rollback* makes live again."""
    (pivot,) = (step for step in rollback.plan.steps if "bundle" in step.args)
    return BundleRef.parse(pivot.args["bundle"])


def _to_domain(session: Session, row: OperationRow) -> Operation:
    return to_domain(row, steps_of(session, [row.id])[row.id])
