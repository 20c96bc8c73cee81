"""Which aliases have planes that do not agree with their live rows yet. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasName, AliasRef, ModelName
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import LiveRow
from trilock.server.operations.records import database_now
from trilock.server.store.clock import LONGEST_WAIT_MS, is_ahead
from trilock.server.store.plane_states import plane_scope
from trilock.server.store.releases import require_live
from trilock.server.store.tables import LeaseRow, LiveTable, OperationRow, PlaneStateRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """How far one plane of an alias is."""

    agrees: bool
    due: bool
    """Its time has come, and nobody drives it."""
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """An alias that something is to be done for."""

    live: LiveRow
    told: bool
    """Whether it is on record that all planes agree with the live row."""
    unsettled: bool
    """Whether an operation has come to its end and does not say so."""
    planes: Mapping[str, Plane]
    """Those that were driven before."""
    held: frozenset[str]
    """Scopes that somebody drives."""

    def plane(self, name: str) -> Plane:
        """Return how far the plane *name* is; one never driven is due."""
        free = plane_scope(self.live.alias, name) not in self.held
        return self.planes.get(name, Plane(agrees=False, due=free, attempts=0))


def aliases_behind(session: Session, *, everything: bool) -> list[Behind]:
    """Return every alias that is behind its live row, or has operations to settle.

    Args:
        session: One consistent state.
        everything: Return the others, too: the planes that they have may be others now.
    """
    of_alias = sa.and_(
        col(OperationRow.model) == col(LiveTable.model),
        col(OperationRow.alias) == col(LiveTable.alias),
    )
    unsettled = (
        select(OperationRow.id)
        .where(
            of_alias,
            OperationRow.state == OperationState.CONVERGING.value,
            sa.or_(
                col(OperationRow.pivot_revision) < col(LiveTable.switched_revision),
                col(OperationRow.pivot_revision) <= col(LiveTable.converged_revision),
            ),
        )
        .exists()
    )
    query = select(LiveTable, unsettled).order_by(col(LiveTable.model), col(LiveTable.alias))
    if not everything:
        behind = col(LiveTable.converged_revision) < col(LiveTable.revision)
        query = query.where(sa.or_(behind, unsettled))
    found = session.exec(query).all()
    if not found:
        return []
    aliases = [AliasRef(ModelName(row.model), AliasName(row.alias)) for row, _ in found]
    held = frozenset(session.exec(select(LeaseRow.scope).where(is_ahead(col(LeaseRow.until_ms)))))
    planes, now_ms = _plane_rows(session, aliases), database_now(session)
    return [
        Behind(
            live=require_live(session, alias),
            told=row.converged_revision >= row.revision,
            unsettled=is_unsettled,
            planes={
                plane.plane: Plane(
                    agrees=plane.converged_revision >= row.revision,
                    due=not now_ms < plane.not_before_ms <= now_ms + LONGEST_WAIT_MS
                    and plane_scope(alias, plane.plane) not in held,
                    attempts=plane.attempts,
                )
                for plane in planes
                if (plane.model, plane.alias) == (row.model, row.alias)
            },
            held=held,
        )
        for alias, (row, is_unsettled) in zip(aliases, found, strict=True)
    ]


def _plane_rows(session: Session, aliases: list[AliasRef]) -> list[PlaneStateRow]:
    keys = [(alias.model, alias.alias) for alias in aliases]
    columns = sa.tuple_(col(PlaneStateRow.model), col(PlaneStateRow.alias))
    return list(session.exec(select(PlaneStateRow).where(columns.in_(keys))))
