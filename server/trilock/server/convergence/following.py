"""How far the planes of one alias have followed, and what that means for its operations.

One transaction. It locks what it may change in the order in which everybody
takes rows: operations, live row, planes, store.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlmodel import Session, col, delete, select

from trilock.server.convergence.projection import Projection
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import LiveRow
from trilock.server.operations.records import database_now, end, note, tell
from trilock.server.store.clock import now_ms
from trilock.server.store.releases import get_live
from trilock.server.store.tables import LiveTable, OperationRow, PlaneStateRow

OnConverged = Callable[[Session, LiveRow], None]
"""Called in the transaction in which every plane that holds the release agrees with the live
row. May change the row."""

_log = logging.getLogger(__name__)


class Following:
    """One alias, in one write session."""

    def __init__(self, session: Session, alias: AliasRef, *, owner: str, epoch: int = 0) -> None:
        self._session = session
        self._alias = alias
        self._owner = owner
        self._epoch = epoch
        self._operations = session.exec(
            select(OperationRow)
            .where(
                OperationRow.model == alias.model,
                OperationRow.alias == alias.alias,
                OperationRow.state == OperationState.CONVERGING.value,
            )
            .order_by(col(OperationRow.id))
            .with_for_update()
        ).all()
        self._live = session.exec(
            select(LiveTable)
            .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
            .with_for_update()
        ).one()

    def differs(self, plane: str, *, wanted: str, found: str, shared: bool, absolute: bool) -> None:
        """Write what a plane is to be driven from and to.

        A value that others have put into a *shared* plane is recorded (I8). One whose
        looks are not *absolute* is compared only with a look since the last switch.
        """
        row = self._plane(plane)
        comparable = absolute or row.converged_revision >= self._live.switched_revision
        if found == wanted or (row.wanted, row.found) == (wanted, found):
            return  # nothing to tell, or as at the last attempt
        detail = {"plane": plane, "wanted": wanted, "found": found}
        # What was found before, or was wanted until now, is no surprise.
        known = {row.found, row.wanted}
        foreign = shared and comparable and row.wanted != "" and found not in known
        if foreign:
            _log.warning("%s of %s is %r: someone else changed it", plane, self._alias, found)
            detail["expected"] = row.wanted
        self._tell("plane_foreign" if foreign else "plane_differs", **detail)
        row.wanted, row.found = wanted, found
        self._session.add(row)

    def agrees(self, plane: str, *, revision: int, demand: int, value: str) -> None:
        """Write that a plane was seen equal to the live row of *revision*.

        Args:
            plane: Which one.
            revision: Of the live row that was read before the plane was looked at.
            demand: Its number then; if planes were set behind since, this one stays so.
            value: How it was.
        """
        row = self._plane(plane)
        if demand == self._live.demand:
            row.converged_revision = max(row.converged_revision, revision)
        row.wanted = row.found = value
        row.attempts, row.error, row.failing_ms, row.not_before_ms = 0, "", None, 0
        self._session.add(row)
        self._tell("plane_agrees", plane=plane, revision=revision)

    def failed(self, plane: str, *, error: str, backoff: Callable[[int], float]) -> None:
        """Write why a plane does not follow yet, and when it is tried again."""
        row = self._plane(plane)
        if row.error != error:  # the same one again is no news, however often
            _log.warning("%s of %s: %s", plane, self._alias, error)
            self._tell("plane_failed", plane=plane, error=error)
        row.attempts += 1
        row.error = error
        row.failing_ms = row.failing_ms or now_ms()
        wait = backoff(row.attempts)
        row.not_before_ms = database_now(self._session) + int(wait * 1000)
        self._session.add(row)
        self._tell(None)

    def settle(self, planes: Sequence[Projection], *, on_converged: OnConverged) -> None:
        """Bring operations to their ends, and the release on, where *planes* allow it.

        Args:
            planes: All planes that the live row has.
            on_converged: Called when every plane that holds the release agrees with the
                row: at least once for each revision that all planes agree with.
        """
        converged = self._converged([plane.name for plane in planes])
        for row in self._operations:
            state = self._state_of(row, converged.values())
            if state is not None:
                end(row, state)
                note(
                    self._session, row.id, kind=state.lower(), owner=self._owner, epoch=self._epoch
                )
        agreeing = {plane for plane in converged if converged[plane] >= self._live.revision}
        told = self._live.converged_revision >= self._live.revision
        if told or any(plane.holds_release and plane.name not in agreeing for plane in planes):
            return
        if len(agreeing) == len(converged):
            self._live.converged_revision = self._live.revision
            self._session.add(self._live)
        self._session.flush()
        live = get_live(self._session, self._alias)
        if live is not None:
            on_converged(self._session, live)

    def _state_of(self, row: OperationRow, converged: Collection[int]) -> OperationState | None:
        """Return the end that *row* has come to; None if it still converges."""
        pivot, switched = row.pivot_revision or 0, self._live.switched_revision
        if pivot >= switched:
            return OperationState.SUCCEEDED if min(converged, default=pivot) >= pivot else None
        # A newer pivot took its place. It succeeded if its planes had followed by then.
        followed = all(pivot <= revision < switched for revision in converged)
        return OperationState.SUCCEEDED if followed else OperationState.SUPERSEDED

    def _converged(self, planes: Collection[str]) -> dict[str, int]:
        of_alias = (
            col(PlaneStateRow.model) == self._alias.model,
            col(PlaneStateRow.alias) == self._alias.alias,
        )
        self._session.flush()
        # The settings, or the sinks, may have changed: nobody drives those any more.
        self._session.exec(
            delete(PlaneStateRow).where(*of_alias, col(PlaneStateRow.plane).not_in(list(planes)))
        )
        # All of them before the release: whoever reports for the fleet takes them in that order.
        rows = select(PlaneStateRow).where(*of_alias).order_by(col(PlaneStateRow.plane))
        known = {
            row.plane: row.converged_revision for row in self._session.exec(rows.with_for_update())
        }
        return {plane: known.get(plane, 0) for plane in planes}

    def _plane(self, plane: str) -> PlaneStateRow:
        key = (self._alias.model, self._alias.alias, plane)
        row = self._session.get(PlaneStateRow, key)
        return row or PlaneStateRow(
            model=self._alias.model,
            alias=self._alias.alias,
            plane=plane,
            converged_revision=0,
            wanted="",
            found="",
            attempts=0,
            error="",
            not_before_ms=0,
        )

    def _tell(self, kind: str | None, **detail: Any) -> None:  # noqa: ANN401 - JSON
        """Tell those who wait for an operation that a plane has changed; None adds no event."""
        for row in self._operations:
            if kind is None:
                tell(self._session, row.id)
            else:
                note(
                    self._session,
                    row.id,
                    kind=kind,
                    owner=self._owner,
                    epoch=self._epoch,
                    detail=detail,
                )
