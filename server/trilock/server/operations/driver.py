"""Drives one operation: forward to its pivot, or back to where it began.

1. Recovery needs nothing but rows: every turn starts from them, or from what its
   holder wrote there itself in the turn before, so going on after a crash is the
   same function as going on.
2. Intent before effect, outcome after; the outcome of a step and the intent of the
   next, which was looked at by then, are one transaction. What a step replaces is
   journaled with its first intent and kept; a step in doubt is settled by looking.
3. A local step is one transaction with its row: it happens exactly once. The
   pivot's also sees that the operation still owns its scopes and was not told
   to turn back.
4. The gates of a plan are asked in the turn of its pivot, right before its
   transaction: what they said in an earlier turn, or life, is worth nothing.
5. Every write names the lease's epoch; who lost the lease writes nothing.
6. A retry is a row (not before) and a freed lease, never a sleep. What only waits for
   something that is under way is no failed attempt, however often it is tried.
7. The decision to turn back is durable before the first thing is undone.
8. A rollback goes on: what fails before its pivot is noted and passed over, the
   pivot is tried until it is through. Back it turns only when it is told to, or
   when another release is live already (I7).
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from sqlmodel import Session

from trilock.server.domain.errors import (
    ForeignEditError,
    NotFoundError,
    StaleEtagError,
    TrilockError,
    UnavailableError,
    WaitingError,
)
from trilock.server.domain.operation import (
    Json,
    JsonValue,
    Operation,
    OperationKind,
    OperationState,
    Plan,
    PlannedStep,
    StepState,
)
from trilock.server.operations.ledger import Entry, Ledger, Reading
from trilock.server.operations.step import (
    TRANSIENT,
    Checkpoint,
    Gate,
    LocalStep,
    LongStep,
    Part,
    Step,
    describe,
)
from trilock.server.workers.backoff import Backoff
from trilock.server.workers.lease import FencedError

ATTEMPTS: Final = 5
"""How often a step is begun before its operation turns back."""

_LEFT_SECONDS: Final = 30

_WAITS: Final = 3
"""As after so many attempts a step is tried again that waits for what is under way."""

_log = logging.getLogger(__name__)


class Driver:
    """One holder's drive of one operation. Not shared between threads."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        parts: Mapping[str, Part],
        attempts: int,
        backoff: Backoff,
        at: Checkpoint,
        known: Reading | None = None,
    ) -> None:
        self._ledger = ledger
        self._parts = parts
        self._gates: dict[str, Gate] = {}
        self._steps: dict[str, Step | LocalStep] = {}
        self._attempts = attempts
        self._backoff = backoff
        self._at = at
        self._carried = known
        """What this holder has just written itself, and so need not read."""
        self._past_pivot = False
        self._intended: Entry | None = None
        """The step of `_carried` that was looked at, and whose intent is written."""

    def turn(self) -> bool:
        """Do the next thing; return whether there may be another one.

        False when the operation is past its pivot, at its end, or left for later.

        Raises:
            FencedError: Somebody else drives the operation.
            UnavailableError: The database does not answer.
        """
        now, self._carried = self._carried or self._ledger.read(), None
        if not now.active:
            return False
        self._sort(now.operation.plan)
        entry = now.next(gates=self._gates)
        if now.forward and now.told_to_turn_back:
            self._ledger.turn_back()
            self._at("turned_back")
        elif entry is None:
            end = OperationState.SUCCEEDED if now.forward else OperationState.COMPENSATED
            self._ledger.finish(end)
            self._at("finished")
        elif (step := self._steps.get(entry.step)) is None:
            return self._leave(entry)
        elif now.forward and entry.attempts >= self._attempts and not _is_last_resort(now, step):
            self._give_up(now, entry)
        else:
            return self._step(now, entry, step)
        return True

    def _sort(self, plan: Plan) -> None:
        # Only those of the plan: telling what a part is takes longer than asking a row.
        for name in {step.step for step in plan.steps}.difference(self._gates, self._steps):
            part = self._parts.get(name)
            if isinstance(part, Gate):
                self._gates[name] = part
            elif part is not None:
                self._steps[name] = part

    def _give_up(self, now: Reading, entry: Entry) -> None:
        # A failure is dealt with at once. This one was begun, and never came to an end.
        message = f"begun {entry.attempts} times, never done"
        if _is_rollback(now):
            self._pass_over(entry, reason="INTERNAL", message=message)
        else:
            self._ledger.turn_back(reason="INTERNAL", message=f"{entry.step}: {message}")
            self._at("turned_back")

    def _pass_over(self, entry: Entry, *, reason: str, message: str) -> None:
        self._ledger.passed_over(entry, reason=reason, message=message)
        self._at(f"{entry.step}:passed_over")

    def _leave(self, entry: Entry) -> bool:
        # A newer trilock wrote the plan, and may be running beside this one.
        self._ledger.leave(entry, message="this server does not know the step", wait=_LEFT_SECONDS)
        return False

    def _step(self, now: Reading, entry: Entry, step: Step | LocalStep) -> bool:
        self._at(f"{step.name}:next")
        gates: tuple[Entry, ...] = ()
        if now.forward and isinstance(step, LocalStep) and step.pivot:
            gates = tuple(gate for gate in now.entries if gate.step in self._gates)
            for gate in gates:
                refusal = self._error_of(now, gate, partial(self._ask, now, gate))
                if refusal is not None:
                    return self._fail(now, gate, refusal)
        error = self._error_of(now, entry, partial(self._do, now, entry, step, passed=gates))
        if error is not None:
            return (self._fail if now.forward else self._fail_to_undo)(now, entry, error)
        return not self._past_pivot

    def _error_of(self, now: Reading, entry: Entry, act: Callable[[], None]) -> Exception | None:
        try:
            act()
        except FencedError:
            raise
        # Whatever a step's code does, nothing may stay half done for it.
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, TrilockError):
                _log.exception("%s of %s", entry.step, now.operation.name)
            return error
        return None

    def _ask(self, now: Reading, entry: Entry) -> None:
        gate = self._gates[entry.step]
        self._ledger.cover(gate.timeout)
        gate.require(now.operation.plan.steps[entry.position].args)
        self._at(f"{gate.name}:asked")

    def _do(
        self, now: Reading, entry: Entry, step: Step | LocalStep, *, passed: Sequence[Entry]
    ) -> None:
        planned = now.operation.plan.steps[entry.position]
        if not isinstance(step, LocalStep):
            if now.forward:
                self._apply(now, entry, step, planned)
            else:
                self._undo(entry, step, planned)
        elif now.forward:
            self._run(now.operation, entry, step, planned.args, passed=passed)
        else:
            self._undo_local(now.operation, entry, step, planned.args)

    def _apply(self, now: Reading, entry: Entry, step: Step, planned: PlannedStep) -> None:
        args, want = planned.args, _as_json(step.want(planned.args))
        before, result = entry.before, entry.result
        intended, self._intended = self._intended is entry, None
        if not intended:
            begun = entry.state is StepState.STARTED
            found = self._look(step, args)
            self._at(f"{step.name}:looked")
            before = entry.before if begun else found
            if begun and found not in (before, want):
                raise ForeignEditError(resource=planned.title, expected=before, found=found)
            if found == want:
                self._done(now, entry, before=before, result=result)
                return
            self._ledger.started(entry, before=before)
            self._at(f"{step.name}:started")
        self._ledger.cover(step.timeout)
        result = _as_json(self._work(entry, step, args, before=before))
        self._at(f"{step.name}:applied")
        found = self._look(step, args)
        if found != want:
            raise UnavailableError(f"it reads {found!r} after it was made {want!r}")
        self._done(now, entry, before=before, result=result)

    def _done(self, now: Reading, entry: Entry, *, before: JsonValue, result: JsonValue) -> None:
        """Write that a step is done, and in the same transaction that the next one begins."""
        starts = self._looked_at_next(now, entry)
        told = self._ledger.done(entry, before=before, result=result, starts=starts)
        self._at(f"{entry.step}:done")
        if starts is not None:
            done = replace(entry, state=StepState.DONE, before=before, result=result)
            self._carried = now.after(done, starts, told_to_turn_back=told)
            self._intended = starts
            self._at(f"{starts.step}:started")

    def _looked_at_next(self, now: Reading, entry: Entry) -> Entry | None:
        """Return the entry after *entry* as one that begins, if it is one to begin right now."""
        position = entry.position + 1
        following = now.entries[position] if position < len(now.entries) else None
        if following is None or following.state is not StepState.PENDING or following.attempts:
            return None
        step = self._steps.get(following.step)
        if step is None or isinstance(step, LocalStep):
            return None
        args = now.operation.plan.steps[position].args
        try:
            found = self._look(step, args)
            begins = found != _as_json(step.want(args))
        except FencedError:
            raise
        except Exception as error:  # noqa: BLE001 - it is told when it is that step's turn
            _log.info("%s before its turn: %s", step.name, error)
            return None
        self._at(f"{step.name}:looked")
        # Of its attempts, those before this one are counted, as in any other entry.
        return replace(following, state=StepState.STARTED, before=found) if begins else None

    def _work(self, entry: Entry, step: Step, args: Json, *, before: JsonValue) -> JsonValue:
        if not isinstance(step, LongStep):
            return step.apply(args, before=before)
        return step.apply_telling(args, before=before, tell=partial(self._ledger.tell, entry))

    def _run(
        self,
        operation: Operation,
        entry: Entry,
        step: LocalStep,
        args: Json,
        *,
        passed: Sequence[Entry],
    ) -> None:
        def work(session: Session) -> JsonValue:
            self._at(f"{step.name}:begun")
            result = _as_json(step.run(session, operation, args))
            self._at(f"{step.name}:run")
            return result

        self._past_pivot = self._ledger.run_local(entry, work, pivot=step.pivot, passed=passed)
        self._at(f"{step.name}:done")

    def _undo(self, entry: Entry, step: Step, planned: PlannedStep) -> None:
        args, before = planned.args, entry.before
        # What was so already was not made so by us, and is not ours to take back.
        if _as_json(step.want(args)) != before and not self._is_back(step, args, before):
            self._at(f"{step.name}:undoing")
            self._ledger.cover(step.timeout)
            step.undo(args, before=before)
        self._at(f"{step.name}:undone")
        self._ledger.undone(entry)
        self._at(f"{step.name}:undo_done")

    def _undo_local(self, operation: Operation, entry: Entry, step: LocalStep, args: Json) -> None:
        def work(session: Session) -> None:
            step.undo(session, operation, args, result=entry.result)
            self._at(f"{step.name}:undone")

        self._ledger.undone(entry, work)
        self._at(f"{step.name}:undo_done")

    def _is_back(self, step: Step, args: Json, before: JsonValue) -> bool:
        try:
            return bool(self._look(step, args) == before)
        except TRANSIENT:
            raise
        except TrilockError as error:
            # `look` may refuse what is there; `undo` is safe whatever is there.
            _log.info("%s before it is taken back: %s", step.name, error)
            return False

    def _look(self, step: Step, args: Json) -> JsonValue:
        self._ledger.cover(step.timeout)
        return _as_json(step.look(args))

    def _fail(self, now: Reading, entry: Entry, error: Exception) -> bool:
        reason, message = describe(error)
        attempts = entry.attempts + 1
        if isinstance(error, WaitingError) and not _is_rollback(now):
            goes_on = self._ledger.waits(entry, message=message, wait=self._backoff(_WAITS))
            self._at(f"{entry.step}:waits")
            return goes_on
        if not _is_rollback(now):
            hopeless = not isinstance(error, TRANSIENT) or attempts >= self._attempts
        elif _is_last_resort(now, self._steps.get(entry.step)):
            hopeless = isinstance(error, StaleEtagError)
        else:
            self._pass_over(entry, reason=reason, message=message)
            return True
        wait = None if hopeless else self._backoff(attempts)
        goes_on = self._ledger.failed(entry, reason=reason, message=message, wait=wait)
        self._at(f"{entry.step}:failed")
        return goes_on

    def _fail_to_undo(self, now: Reading, entry: Entry, error: Exception) -> bool:
        reason, message = describe(error)
        # It is gone, or somebody else's by now: nothing of ours is left to take back.
        # And nothing is waited for by a rollback: the projections follow what is live.
        settled = isinstance(error, (ForeignEditError, NotFoundError)) or _is_rollback(now)
        wait = None if settled else self._backoff(entry.attempts + 1)
        self._ledger.failed_to_undo(entry, reason=reason, message=message, wait=wait)
        self._at(f"{entry.step}:undo_failed")
        return settled


def _is_rollback(now: Reading) -> bool:
    return now.operation.kind is OperationKind.ROLL_BACK


def _is_last_resort(now: Reading, step: Step | LocalStep | None) -> bool:
    """Whether *step* is the pivot of a rollback: the one thing that must not be given up."""
    return _is_rollback(now) and isinstance(step, LocalStep) and step.pivot


def _as_json(value: JsonValue) -> JsonValue:
    """Return *value* as it will be when read from the journal, so that the two compare."""
    return json.loads(json.dumps(value))
