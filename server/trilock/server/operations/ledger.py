"""What the holder of a lease writes about its operation: each method, one transaction.

Every one of them names the lease's epoch, so who lost the lease writes nothing;
and writes the event of what it tells of, so the history has no gap.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlmodel import Session, select

from trilock.server.domain.errors import AbortedError
from trilock.server.domain.operation import JsonValue, Operation, OperationState, StepState
from trilock.server.operations import locks
from trilock.server.operations.records import (
    ABORTED,
    ACTIVE,
    STEPS,
    database_now,
    end,
    lock_operation,
    note,
    set_step,
    steps_of,
    tell,
    to_domain,
)
from trilock.server.operations.step_writes import write_done, write_events, write_started
from trilock.server.store.clock import now_ms
from trilock.server.store.database import Database
from trilock.server.store.tables import OperationRow, OperationStepRow
from trilock.server.workers.lease import Lease, Leases

_Event: TypeAlias = tuple[str, Mapping[str, JsonValue]]
"""Its kind, and its detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step, as the journal has it."""

    position: int
    step: str
    state: StepState
    attempts: int
    before: JsonValue
    result: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One operation, as the journal has it."""

    operation: Operation
    entries: tuple[Entry, ...]
    active: bool
    told_to_turn_back: bool

    @classmethod
    def submitted(cls, operation: Operation) -> "Reading":
        """Return what the journal says of *operation*, which was submitted a moment ago."""
        entries = tuple(
            Entry(
                position=position,
                step=step.step,
                state=step.state,
                attempts=step.attempts,
                before=step.before,
                result=step.result,
            )
            for position, step in enumerate(operation.steps)
        )
        return cls(operation=operation, entries=entries, active=True, told_to_turn_back=False)

    @property
    def forward(self) -> bool:
        """Whether it is on its way to its pivot."""
        return self.operation.state is OperationState.RUNNING

    def after(self, *changed: Entry, told_to_turn_back: bool) -> "Reading":
        """Return it with *changed* entries, as they were written a moment ago."""
        known = {entry.position: entry for entry in changed}
        entries = tuple(known.get(entry.position, entry) for entry in self.entries)
        return replace(self, entries=entries, told_to_turn_back=told_to_turn_back)

    def next(self, *, gates: Container[str] = ()) -> Entry | None:
        """Return the step to do next, or to take back next.

        Args:
            gates: Names of what is no step. Their rows are done with the pivot's.
        """
        if self.forward:
            steps = (e for e in self.entries if e.step not in gates)
            return next((e for e in steps if e.state is not StepState.DONE), None)
        touched = {StepState.STARTED, StepState.DONE}
        return next((e for e in reversed(self.entries) if e.state in touched), None)


class Ledger:
    """The writes of one holder about one operation."""

    def __init__(
        self, operation_id: str, lease: Lease, *, database: Database, leases: Leases
    ) -> None:
        self._id = operation_id
        self._lease = lease
        self._database = database
        self._leases = leases

    def read(self) -> Reading:
        """Return what the journal says now."""
        with self._database.read() as session:
            row = session.exec(select(OperationRow).where(OperationRow.id == self._id)).one()
            steps = steps_of(session, [self._id])[self._id]
            return Reading(
                operation=to_domain(row, steps),
                entries=tuple(_entry(step) for step in steps),
                active=row.state in ACTIVE,
                told_to_turn_back=_told_to_turn_back(session, row),
            )

    def cover(self, seconds: float) -> None:
        """Return when an outside call of *seconds* may begin.

        Raises:
            FencedError: It must not: somebody else drives the operation.
        """
        self._leases.cover(self._lease, seconds=seconds)

    def started(self, entry: Entry, *, before: JsonValue) -> None:
        """Write the intent, with what it is going to replace."""
        with self._leases.fenced(self._lease) as session:
            write_started(session, self._id, position=entry.position, before=before)
            self._tell(session, ("started", entry))

    def done(
        self,
        entry: Entry,
        *,
        before: JsonValue,
        result: JsonValue,
        starts: Entry | None = None,
    ) -> bool:
        """Write the outcome of a step and, with it, the intent of the next one.

        Args:
            entry: The step that is done.
            before: What it has replaced.
            result: What to tell people.
            starts: The next one, with what it is going to replace; None for none.

        Returns:
            Whether the operation was told to turn back.
        """
        with self._leases.fenced(self._lease) as session:
            write_done(session, self._id, position=entry.position, before=before, result=result)
            if starts is None:
                return self._tell(session, ("done", entry))
            write_started(session, self._id, position=starts.position, before=starts.before)
            return self._tell(session, ("done", entry), ("started", starts))

    def tell(self, entry: Entry, line: str) -> None:
        """Write how far a step is that works for long.

        Raises:
            AbortedError: The operation is to turn back; the step must stop.
            FencedError: Somebody else drives the operation.
        """
        with self._write() as (session, row):
            if _told_to_turn_back(session, row):
                raise AbortedError("the operation was told to turn back")
            self._set(session, entry, progress=line)
            tell(session, self._id)

    def run_local(
        self,
        entry: Entry,
        work: Callable[[Session], JsonValue],
        *,
        pivot: bool,
        passed: Sequence[Entry] = (),
    ) -> bool:
        """Do *work* and write its outcome, together; or turn back, if it was told to.

        Args:
            entry: The step.
            work: Makes the change, and returns the step's result.
            pivot: Whether it changes the live row.
            passed: The gates that were just asked, and are content.

        Returns:
            Whether the operation is past its pivot.
        """
        with self._leases.fenced(self._lease) as session:
            # Locks before operations: the order in which everybody takes rows.
            owned = locks.owned(session, operation_id=self._id)
            row = lock_operation(session, self._id)
            if not owned.issuperset(row.scopes) or _told_to_turn_back(session, row):
                self._turn_back(session, row)
                return False
            result = work(session)
            results = {gate.position: None for gate in passed} | {entry.position: result}
            for position, told in results.items():
                write_done(session, self._id, position=position, before=None, result=told)
            events = [_event("done", one) for one in (*passed, entry)]
            if pivot:
                events.append(self._pass_pivot(session, row, revision=result["revision"]))
            self._append(session, events)
            return pivot

    def undone(self, entry: Entry, work: Callable[[Session], None] = lambda _: None) -> None:
        """Do *work* and write that a step is taken back, together."""
        with self._write() as (session, _):
            work(session)
            self._undone(session, entry)

    def failed(self, entry: Entry, *, reason: str, message: str, wait: float | None) -> bool:
        """Write a failure on the way forward; return whether it goes on now, back.

        Args:
            entry: The step that failed.
            reason: One of ErrorReason.
            message: What to tell people.
            wait: Seconds until it is tried again; None to turn back.
        """
        with self._write() as (session, row):
            self._failed(session, entry, reason=reason, message=message)
            if wait is None or _told_to_turn_back(session, row):
                self._turn_back(session, row, reason=reason, message=f"{entry.step}: {message}")
                return True
            self._park(session, row, seconds=wait)
            return False

    def waits(self, entry: Entry, *, message: str, wait: float) -> bool:
        """Write for what a step waits, which is no failed attempt; return whether it goes back.

        Args:
            entry: The step.
            message: What to tell people; the same again is no news.
            wait: Seconds until it is tried again.
        """
        with self._write() as (session, row):
            known = session.get(OperationStepRow, (self._id, entry.position))
            if known is None or known.error != message:
                self._note(session, "waits", step=entry.step, message=message)
            self._set(session, entry, attempts=entry.attempts, error=message)
            tell(session, self._id)
            if _told_to_turn_back(session, row):
                self._turn_back(session, row)
                return True
            self._park(session, row, seconds=wait)
            return False

    def passed_over(self, entry: Entry, *, reason: str, message: str) -> None:
        """Write that a step failed and is done for all that: others do later what it did not."""
        with self._leases.fenced(self._lease) as session:
            self._failed(session, entry, reason=reason, message=message)
            self._done(session, entry, before=entry.before, result=f"later: {message}")

    def failed_to_undo(
        self, entry: Entry, *, reason: str, message: str, wait: float | None
    ) -> None:
        """Write a failure on the way back.

        Args:
            entry: The step that failed.
            reason: One of ErrorReason.
            message: What to tell people.
            wait: Seconds until it is tried again; None if nothing is left to take back.
        """
        with self._write() as (session, row):
            self._failed(session, entry, reason=reason, message=message)
            if wait is None:
                self._undone(session, entry)
            else:
                self._park(session, row, seconds=wait)

    def turn_back(self, *, reason: str = "", message: str = "") -> None:
        """Write the decision to turn back."""
        with self._write() as (session, row):
            self._turn_back(session, row, reason=reason, message=message)

    def finish(self, state: OperationState) -> None:
        """Bring the operation to its end; give back what it has."""
        with self._leases.fenced(self._lease) as session:
            # In the order of whoever takes them, which that of their removal need not be.
            locks.owned(session, operation_id=self._id)
            locks.give_back(session, operation_id=self._id)
            row = lock_operation(session, self._id)
            end(row, state)
            self._note(session, state.lower())
            self._leases.drop(session, self._lease)

    def leave(self, entry: Entry, *, message: str, wait: float) -> None:
        """Leave the operation to a server that knows the step."""
        with self._write() as (session, row):
            self._set(session, entry, error=message)
            self._note(session, "left", step=entry.step, message=message)
            self._park(session, row, seconds=wait)

    def let_go(self) -> None:
        """Free the lease, so that somebody else can go on at once."""
        with self._write() as (session, _):
            self._leases.free(session, self._lease)

    @contextmanager
    def _write(self) -> Iterator[tuple[Session, OperationRow]]:
        with self._leases.fenced(self._lease) as session:
            yield session, lock_operation(session, self._id)

    def _done(
        self, session: Session, entry: Entry, *, before: JsonValue, result: JsonValue
    ) -> None:
        write_done(session, self._id, position=entry.position, before=before, result=result)
        self._tell(session, ("done", entry))

    def _undone(self, session: Session, entry: Entry) -> None:
        self._note(session, "undone", step=entry.step)
        # The error stays: it says why it was hard to take back, or what was left.
        self._set(session, entry, state=StepState.UNDONE.value, ended_ms=now_ms())

    def _failed(self, session: Session, entry: Entry, *, reason: str, message: str) -> None:
        self._note(session, "failed", step=entry.step, reason=reason, message=message)
        self._set(
            session,
            entry,
            # The same number that `started` wrote, if it came so far.
            attempts=entry.attempts + 1,
            error=message,
            started_ms=_first_time(),
        )

    def _turn_back(
        self, session: Session, row: OperationRow, *, reason: str = "", message: str = ""
    ) -> None:
        row.state = OperationState.COMPENSATING.value
        row.not_before_ms = 0
        # Whoever told it to turn back has left a reason; only a deadline has not.
        if not row.error_reason:
            row.error_reason = reason or ABORTED
            row.error_message = message or "its deadline came before its pivot"
        self._note(session, "turned_back", reason=row.error_reason, message=row.error_message)

    def _pass_pivot(self, session: Session, row: OperationRow, *, revision: int) -> _Event:
        row.pivot_revision = revision
        if row.plan["converges"]:
            row.state = OperationState.CONVERGING.value
        else:
            end(row, OperationState.SUCCEEDED)
        locks.give_back(session, operation_id=self._id)
        self._leases.drop(session, self._lease)
        return row.state.lower(), {"revision": revision}

    def _park(self, session: Session, row: OperationRow, *, seconds: float) -> None:
        row.not_before_ms = database_now(session) + int(seconds * 1000)
        self._leases.free(session, self._lease)

    def _set(self, session: Session, entry: Entry, **values: Any) -> None:  # noqa: ANN401 - JSON
        set_step(session, self._id, position=entry.position, **values)

    def _tell(self, session: Session, *events: tuple[str, Entry]) -> bool:
        return self._append(session, [_event(kind, entry) for kind, entry in events])

    def _append(self, session: Session, events: Sequence[_Event]) -> bool:
        return write_events(
            session,
            self._id,
            events,
            epoch=self._lease.epoch,
            owner=self._lease.owner,
        )

    def _note(self, session: Session, kind: str, **detail: JsonValue) -> None:
        note(
            session,
            self._id,
            kind=kind,
            epoch=self._lease.epoch,
            owner=self._lease.owner,
            detail=detail or None,
        )


def _event(kind: str, entry: Entry) -> _Event:
    return kind, {"step": entry.step}


def _first_time() -> sa.ColumnElement[int]:
    return sa.func.coalesce(STEPS.c.started_ms, now_ms())


def _told_to_turn_back(session: Session, row: OperationRow) -> bool:
    return row.abort_at_ms is not None and row.abort_at_ms <= database_now(session)


def _entry(row: OperationStepRow) -> Entry:
    return Entry(
        position=row.position,
        step=row.step,
        state=StepState(row.state),
        attempts=row.attempts,
        before=row.before,
        result=row.result,
    )
