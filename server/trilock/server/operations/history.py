"""Which rollback left, or made, a release: so that pressing twice does nothing twice."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.records import OPERATIONS, steps_of, to_domain
from trilock.server.store.lookup import find_rows
from trilock.server.store.tables import LockRow, OperationRow, ReleaseRow

_ROLLBACK_LOCKS: Final = 7420
"""First half of the key of PostgreSQL's advisory locks on the rollbacks of an alias."""

_TURNED_BACK: Final = (OperationState.COMPENSATING.value, OperationState.COMPENSATED.value)

# Made once: they are asked twice in every press.
_ROLLBACKS: Final = (
    sa.select(OPERATIONS.c.id, OPERATIONS.c.plan, OPERATIONS.c.created_ms)
    .where(
        OPERATIONS.c.model == sa.bindparam("of_model"),
        OPERATIONS.c.alias == sa.bindparam("of_alias"),
        OPERATIONS.c.kind == OperationKind.ROLL_BACK.value,
        OPERATIONS.c.state.not_in(_TURNED_BACK),
    )
    .order_by(OPERATIONS.c.created_ms.desc())
)
_NEWEST: Final = _ROLLBACKS.limit(1)
_RELEASES: Final = ReleaseRow.metadata.tables["release"]
_BEGUN: Final = (
    sa.select(_RELEASES.c.revision)
    .where(
        _RELEASES.c.model == sa.bindparam("of_model"),
        _RELEASES.c.number == sa.bindparam("of_release"),
    )
    .scalar_subquery()
)
_SINCE: Final = _ROLLBACKS.where(
    # One that switched before the release began left another: its plan is not read.
    sa.or_(
        OPERATIONS.c.pivot_revision.is_(None),
        OPERATIONS.c.pivot_revision > sa.func.coalesce(_BEGUN, 0),
    )
)
_LOCKS: Final = LockRow.metadata.tables["lock"]
_HOLDING: Final = sa.select(OPERATIONS.c.id, OPERATIONS.c.plan).where(
    _LOCKS.c.scope == sa.bindparam("of_scope"),
    OPERATIONS.c.id == _LOCKS.c.operation,
    OPERATIONS.c.kind == OperationKind.ROLL_BACK.value,
    OPERATIONS.c.state == OperationState.RUNNING.value,
)


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
    found = find_rows(
        session,
        _SINCE,
        of_model=alias.model,
        of_alias=alias.alias,
        of_release=leaves.number,
    )
    for row in found:
        if any(step["args"].get("expected") == str(leaves) for step in row.plan["steps"]):
            return _get(session, row.id)
    # One of another alias, whose pivot is to come, may leave it with its own.
    for row in find_rows(session, _HOLDING, of_scope=str(alias)):
        others = (one for step in row.plan["steps"] for one in step["args"].get("together", []))
        if any(one["expected"] == str(leaves) for one in others):
            return _get(session, row.id)
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
    found = find_rows(session, _NEWEST, of_model=alias.model, of_alias=alias.alias)
    if not found or found[0].created_ms < since_ms:
        return None
    is_canary = any(step["args"].get("canary") for step in found[0].plan["steps"])
    return _get(session, found[0].id) if is_canary else None


def restored_bundle(rollback: Operation, *, alias: AliasRef) -> BundleRef:
    """Return the bundle that *rollback* makes live again on *alias*."""
    (pivot,) = (step for step in rollback.plan.steps if "bundle" in step.args)
    (bundle,) = (
        one["bundle"]
        for one in (pivot.args, *pivot.args.get("together", []))
        if one["alias"] == str(alias)
    )
    return BundleRef.parse(bundle)


def _get(session: Session, operation_id: str) -> Operation:
    return _to_domain(
        session, session.exec(select(OperationRow).where(OperationRow.id == operation_id)).one()
    )


def _to_domain(session: Session, row: OperationRow) -> Operation:
    return to_domain(row, steps_of(session, [row.id])[row.id])
