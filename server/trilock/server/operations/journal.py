"""The journal: operations as rows, and everything that callers may ask of them.

An operation, its plan and its steps are rows; whoever drives it needs nothing
else. Every event is written in the transaction it tells of. What drives
operations is the runner up to the pivot, and the converger after it.
"""

import time
import uuid
from collections.abc import Callable
from typing import Final

from sqlmodel import Session, col, select, update

from trilock.server.domain.errors import NotFoundError, RequestIdReusedError, WrongStateError
from trilock.server.domain.names import AliasRef, OperationId, ReleaseRef
from trilock.server.domain.operation import (
    FINAL_STATES,
    Operation,
    OperationState,
    Plan,
    StepState,
)
from trilock.server.domain.release import Cause
from trilock.server.operations import locks
from trilock.server.operations.records import (
    ABORTED,
    database_now,
    lock_operation,
    note,
    steps_of,
    to_domain,
)
from trilock.server.planning.plan import PLAN_VERSION
from trilock.server.store import codec
from trilock.server.store.clock import now_ms
from trilock.server.store.database import Database, after_commit
from trilock.server.store.insert import insert_rows
from trilock.server.store.requests import claim_request, require_request
from trilock.server.store.tables import (
    OperationRow,
    OperationStepRow,
    PlaneStateRow,
)
from trilock.server.workers.nudge import Nudge

Take = Callable[[Session, Operation], Callable[[], None]]
"""Claims an operation in the session that submits it; returns what drives it after the commit."""

_POLL_SECONDS: Final = 0.5
_FINAL: Final = tuple(state.value for state in FINAL_STATES)


class Journal:
    """Operations of one database."""

    def __init__(self, database: Database, *, poll: float = _POLL_SECONDS) -> None:
        self._database = database
        self._poll = poll
        self.nudge = Nudge()
        """Nudged by every write of this process."""
        database.after_write(self.nudge)
        self._take: Take | None = None

    def take_at_once(self, take: Take) -> None:
        """Have *take* claim, in the transaction of its submission, whatever pre-empts others."""
        self._take = take

    def find(self, session: Session, *, request_id: str, request_hash: str) -> Operation | None:
        """Return the operation that *request_id* started, or None. Reads only.

        Raises:
            RequestIdReusedError: The id was used for a request with other content.
        """
        if not request_id:
            return None
        require_request(session, request_id, request_hash)
        row = session.exec(
            select(OperationRow).where(OperationRow.request_id == request_id)
        ).one_or_none()
        if row is None:
            return None
        if row.request_hash != request_hash:
            raise RequestIdReusedError(request_id)
        return to_domain(row, steps_of(session, [row.id])[row.id])

    def claim(self, session: Session, *, request_id: str, request_hash: str) -> Operation | None:
        """Claim *request_id*; return the operation that it started already, or None.

        Nobody else can start one with it until the session ends. A caller that
        decides, or writes, something for a new operation calls it first: what a
        repeat finds changed may be what it did itself.

        Raises:
            RequestIdReusedError: The id was used for a request with other content.
        """
        claim_request(session, request_id, request_hash)
        return self.find(session, request_id=request_id, request_hash=request_hash)

    def submit(
        self,
        session: Session,
        plan: Plan,
        *,
        request_id: str,
        request_hash: str,
        cause: Cause,
        release: ReleaseRef | None,
        scopes: tuple[str, ...],
        preempts: bool = False,
        deadline_seconds: float | None = None,
    ) -> Operation:
        """Start an operation, or return the one that this very request started.

        It begins to run once the caller's transaction is committed. A caller that
        decides, or writes, something for a new operation calls `claim` first.

        Args:
            session: The caller's write session.
            plan: What to do.
            request_id: The caller's id of the request; "" if it has none.
            request_hash: Digest of what the request asks for.
            cause: Who and why.
            release: The release it makes or finalizes.
            scopes: What no other operation may work on until the pivot.
            preempts: Whether to take the scopes from whoever has them. Such an
                operation turns back, and cannot pass its pivot any more.
            deadline_seconds: After so long it turns back, unless it is past its pivot.

        Raises:
            RequestIdReusedError: The id was used for a request with other content.
            BusyError: Another operation has one of the scopes. The transaction must not
                be committed then; neither after any other error.
        """
        started = self.claim(session, request_id=request_id, request_hash=request_hash)
        if started is not None:
            return started
        operation_id = uuid.uuid4().hex
        row = OperationRow(
            id=operation_id,
            request_id=request_id or operation_id,
            request_hash=request_hash,
            kind=plan.kind.value,
            model=plan.alias.model,
            alias=plan.alias.alias,
            release=None if release is None else release.number,
            plan=codec.plan_to_json(plan),
            plan_version=PLAN_VERSION,
            scopes=sorted(set(scopes)),
            state=OperationState.RUNNING.value,
            cause=codec.cause_to_json(cause),
            created_ms=now_ms(),
        )
        if deadline_seconds is not None:
            row.abort_at_ms = database_now(session) + int(deadline_seconds * 1000)
        insert_rows(session, [row])
        steps = [
            OperationStepRow(
                operation=operation_id,
                position=position,
                step=step.step,
                state=StepState.PENDING.value,
            )
            for position, step in enumerate(plan.steps)
        ]
        insert_rows(session, steps)
        robbed = locks.take(session, scopes, operation_id=operation_id, preempts=preempts)
        note(session, row.id, kind="submitted", detail={"robbed": list(robbed)} if robbed else None)
        for loser in robbed:
            self._preempt(session, loser, by=row)
        session.flush()
        operation = to_domain(row, steps)
        if preempts and self._take is not None:
            after_commit(session, self._take(session, operation))
        return operation

    def get(self, operation_id: OperationId) -> Operation:
        """Return the operation.

        Raises:
            NotFoundError: There is no such operation.
        """
        return self._read(operation_id)[0]

    def list(
        self,
        *,
        alias: AliasRef | None = None,
        active_only: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[Operation, ...]:
        """Return operations, newest first."""
        query = select(OperationRow).order_by(
            col(OperationRow.created_ms).desc(), col(OperationRow.id).desc()
        )
        if alias:
            query = query.where(
                OperationRow.model == alias.model, OperationRow.alias == alias.alias
            )
        if active_only:
            query = query.where(col(OperationRow.state).not_in(_FINAL))
        with self._database.read() as session:
            rows = session.exec(query.offset(offset).limit(limit)).all()
            steps = steps_of(session, [row.id for row in rows])
            return tuple(to_domain(row, steps[row.id]) for row in rows)

    def working_on(self, alias: AliasRef) -> Operation | None:
        """Return the operation that works on *alias*, its own or one that switches others too."""
        active = self.list(alias=alias, active_only=True, limit=1)
        if active:
            return active[0]
        with self._database.read() as session:
            operation_id = locks.holder(session, str(alias))
            if operation_id is None:
                return None
            row = session.exec(select(OperationRow).where(OperationRow.id == operation_id)).one()
            return to_domain(row, steps_of(session, [row.id])[row.id])

    def cancel(
        self, operation_id: OperationId, *, reason: str = "", principal: str = ""
    ) -> Operation:
        """Have the operation turn back. It cannot pass its pivot any more. Idempotent.

        Raises:
            NotFoundError: There is no such operation.
            WrongStateError: It is past its pivot, or done.
        """
        with self._database.write() as session:
            row = lock_operation(session, operation_id)
            if row.state not in {OperationState.RUNNING, OperationState.COMPENSATING}:
                raise WrongStateError(
                    resource=f"operations/{operation_id}",
                    state=row.state,
                    verb="cancelled",
                    hint="roll back instead" if row.pivot_revision else "it is done",
                )
            if row.state == OperationState.RUNNING:
                by = f" by {principal}" if principal else ""
                why = f": {reason}" if reason else ""
                _turn_back_at_once(session, row, message=f"cancelled{by}{why}")
                note(session, row.id, kind="cancelled", detail={"by": principal, "reason": reason})
        return self.get(operation_id)

    def retry(self, operation_id: OperationId, *, principal: str = "") -> Operation:
        """Try at once what waits to be tried again: a step, or the planes of its alias.

        Raises:
            NotFoundError: There is no such operation.
            WrongStateError: It is done.
        """
        with self._database.write() as session:
            row = lock_operation(session, operation_id)
            if row.state in _FINAL:
                raise WrongStateError(
                    resource=f"operations/{operation_id}", state=row.state, verb="retried"
                )
            row.not_before_ms = 0
            if row.state == OperationState.CONVERGING:
                session.exec(
                    update(PlaneStateRow)
                    .where(
                        col(PlaneStateRow.model) == row.model,
                        col(PlaneStateRow.alias) == row.alias,
                    )
                    .values(not_before_ms=0)
                )
            note(session, row.id, kind="retried", detail={"by": principal})
        return self.get(operation_id)

    def wait(
        self, operation_id: OperationId, *, seen: int, timeout: float
    ) -> tuple[Operation, int]:
        """Return the operation and its version when that is not *seen*, or it is done.

        Blocks up to *timeout* seconds, then returns it as it is. Writes of this
        process wake it; those of other replicas it sees within half a second.

        Raises:
            NotFoundError: There is no such operation.
        """
        until = time.monotonic() + timeout
        while True:
            ticket = self.nudge.ticket()
            operation, version = self._read(operation_id)
            left = until - time.monotonic()
            if version != seen or operation.done or left <= 0:
                return operation, version
            self.nudge.wait(ticket, timeout=min(left, self._poll))

    def _read(self, operation_id: OperationId) -> tuple[Operation, int]:
        with self._database.read() as session:
            row = session.get(OperationRow, operation_id)
            if row is None:
                raise NotFoundError(f"operations/{operation_id}")
            return to_domain(row, steps_of(session, [row.id])[row.id]), row.version

    def _preempt(self, session: Session, loser_id: str, *, by: OperationRow) -> None:
        row = lock_operation(session, loser_id)
        if row.state == OperationState.RUNNING:
            _turn_back_at_once(session, row, message=f"pre-empted by operations/{by.id}")
        else:
            row.not_before_ms = 0
        note(session, row.id, kind="preempted", detail={"by": by.id})


def _turn_back_at_once(session: Session, row: OperationRow, *, message: str) -> None:
    # The first reason counts: what is said once must not change under the reader.
    now = database_now(session)
    if row.abort_at_ms is None or row.abort_at_ms > now:
        row.abort_at_ms = now
        row.error_reason, row.error_message = ABORTED, message
    row.not_before_ms = 0
