"""Holds: recorded freezes of a bundle, which nobody promotes, or of an alias, to which nobody does.

One that has expired is none. A hold never stops a rollback to another bundle.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasName, AliasRef, BundleRef, ModelName
from trilock.server.domain.release import Cause
from trilock.server.store.clock import now_ms, to_datetime, to_optional_datetime
from trilock.server.store.lookup import find_row
from trilock.server.store.tables import HoldRow

_NO_ALIAS: Final = ""
_NO_BUNDLE: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A recorded freeze of a bundle or an alias."""

    resource: BundleRef | AliasRef
    reason: str
    principal: str
    created: datetime
    expires: datetime | None
    """None for one that only somebody lifts."""

    @property
    def told(self) -> str:
        """Why nothing goes there, as a clause."""
        return f"on hold since {self.principal} recorded: {self.reason}"


def get_hold(session: Session, resource: BundleRef | AliasRef) -> Hold | None:
    """Return the hold on *resource*, or None."""
    model, alias, number = _key(resource)
    row = find_row(session, HoldRow, model=model, alias=alias, number=number)
    return None if row is None or _expired(row) else _to_domain(row)


def list_holds(session: Session, *, model: ModelName) -> list[Hold]:
    """Return the holds on the bundles and aliases of *model*."""
    query = (
        select(HoldRow)
        .where(HoldRow.model == model)
        .order_by(col(HoldRow.alias), col(HoldRow.number))
    )
    return [_to_domain(row) for row in session.exec(query) if not _expired(row)]


def put_hold(
    session: Session,
    resource: BundleRef | AliasRef,
    *,
    cause: Cause,
    expires: datetime | None = None,
) -> None:
    """Put *resource* on hold; a hold that lasts at least as long stays as it is."""
    model, alias, number = _key(resource)
    row = session.get(HoldRow, (model, alias, number))
    until = None if expires is None else round(expires.timestamp() * 1000)
    if row is not None and not _expired(row) and _lasts(row, until):
        return
    row = row or HoldRow(
        model=model, alias=alias, number=number, reason="", principal="", created_ms=0
    )
    row.reason = cause.reason or "rolled back"
    row.principal = cause.principal
    row.created_ms = now_ms()
    row.expires_ms = until
    session.add(row)


def remove_hold(session: Session, resource: BundleRef | AliasRef) -> bool:
    """Lift the hold; return whether there was one."""
    row = session.get(HoldRow, _key(resource))
    if row is None:
        return False
    session.delete(row)
    return not _expired(row)


def _lasts(row: HoldRow, until: int | None) -> bool:
    return row.expires_ms is None or (until is not None and row.expires_ms >= until)


def _expired(row: HoldRow) -> bool:
    return row.expires_ms is not None and row.expires_ms <= now_ms()


def _key(resource: BundleRef | AliasRef) -> tuple[str, str, int]:
    if isinstance(resource, BundleRef):
        return resource.model, _NO_ALIAS, resource.number
    return resource.model, resource.alias, _NO_BUNDLE


def _to_domain(row: HoldRow) -> Hold:
    model = ModelName(row.model)
    return Hold(
        resource=BundleRef(model, row.number)
        if row.alias == _NO_ALIAS
        else AliasRef(model, AliasName(row.alias)),
        reason=row.reason,
        principal=row.principal,
        created=to_datetime(row.created_ms),
        expires=to_optional_datetime(row.expires_ms),
    )
