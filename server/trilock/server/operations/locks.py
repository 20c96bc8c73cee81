"""Locks: one operation at a time on a scope (I4). Rows, so that they outlive every crash.

They are taken in sorted order, in the transaction that submits the operation,
and given back at its pivot or at its end. The order in which a transaction takes
rows is lease, locks, operations, live row, planes, store, holds: no two wait for each other.
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, select

from trilock.server.domain.errors import BusyError
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.tables import LockRow

_LOCKS: Final = LockRow.metadata.tables["lock"]

# Made once: they are part of every pivot.
_OF_OPERATION: Final = _LOCKS.c.operation == sa.bindparam("of_operation")
_OWNED: Final = (
    sa.select(_LOCKS.c.scope).where(_OF_OPERATION).order_by(_LOCKS.c.scope).with_for_update()
)
_GIVE_BACK: Final = sa.delete(_LOCKS).where(_OF_OPERATION)


def take(
    session: Session, scopes: Iterable[str], *, operation_id: str, preempts: bool
) -> tuple[str, ...]:
    """Take every scope for the operation.

    Args:
        session: The transaction that submits it.
        scopes: What to take; in sorted order, whatever the caller's.
        operation_id: Who takes them.
        preempts: Whether to take away what another operation has.

    Returns:
        The operations that something was taken away from.

    Raises:
        BusyError: Another operation has one of them; it is named.
    """
    robbed = []
    for scope in sorted(set(scopes)):
        while not insert_if_absent(session, LockRow, scope=scope, operation=operation_id):
            lock = session.exec(
                select(LockRow).where(LockRow.scope == scope).with_for_update()
            ).one_or_none()
            if lock is None:
                continue  # given back between the two statements
            if not preempts:
                raise BusyError(scope=scope, operation=f"operations/{lock.operation}")
            robbed.append(lock.operation)
            lock.operation = operation_id
            session.add(lock)
            break
    return tuple(sorted(set(robbed)))


def owned(session: Session, *, operation_id: str) -> set[str]:
    """Return the scopes the operation has; nobody can take them until the commit."""
    found = session.connection().execute(_OWNED, {"of_operation": operation_id})
    return set(found.scalars())


def give_back(session: Session, *, operation_id: str) -> None:
    """Give back whatever the operation still has. Idempotent."""
    session.connection().execute(_GIVE_BACK, {"of_operation": operation_id})


def holder(session: Session, scope: str) -> str | None:
    """Return the id of the operation that has *scope*; None if nobody has."""
    return session.exec(select(LockRow.operation).where(LockRow.scope == scope)).one_or_none()
