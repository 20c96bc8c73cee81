"""Waiting for an operation: what happens is told as it happens, and leaving early harms nothing.

The operation belongs to the server. Ctrl-c, a timeout or a server that is
away for a while end or interrupt the waiting, never the operation.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trilock.cli.exits import CommandError, Exit, exit_for_reason
from trilock.cli.output.operations import (
    has_switched,
    how_to_follow,
    how_to_turn_back,
    may_turn_back,
    state_of,
    waits,
)
from trilock.cli.output.streams import clean, say, words
from trilock.cli.output.words import shorter
from trilock.cli.running.session import Session
from trilock.client._transport.backoff import Backoff
from trilock.client.errors import UnavailableError
from trilock.client.names import short_alias
from trilock.v1.operation_pb2 import Operation, OperationState, OperationStep
from trilock.v1.operation_service_pb2 import WaitOperationRequest

_ASK_S = 20
"""How long one call waits at the server."""

_GRACE_S = 10.0
"""How much longer than the server's own wait a call may take."""


class InterruptedWaitError(CommandError):
    """Ctrl-c during the wait."""

    def __init__(self, operation: Operation) -> None:
        lines = [f"interrupted; {operation.name} goes on", *how_to_follow(operation.name)]
        if may_turn_back(operation):
            lines.append(how_to_turn_back(operation.name))
        super().__init__("\n".join(lines), code=Exit.INTERRUPTED)


class StillRunningError(CommandError):
    """The time to wait is over and the operation is not."""

    def __init__(self, operation: Operation, *, timeout: float) -> None:
        switched = "every reader has switched, but " if has_switched(operation) else ""
        first = (
            f"{switched}{operation.name} is still {state_of(operation)} after {timeout:g} s; "
            f"it goes on: trilock operations wait {_id(operation)}"
        )
        lines = (f"  waits for {line}" for line in waits(operation))
        super().__init__("\n".join((first, *lines)), code=Exit.STILL_RUNNING)
        self.operation = operation


@contextmanager
def submitting(alias: str) -> Iterator[None]:
    """Call the server to begin an operation on *alias*.

    Raises:
        CommandError: Ctrl-c, so that nobody knows whether it began.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            "interrupted before the server answered; if it began, it goes on: "
            f"trilock operations list {short_alias(alias)} --active",
            code=Exit.INTERRUPTED,
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How an operation ended, and when, in seconds since the waiting began."""

    operation: Operation
    switched_s: float | None
    """When every reader had switched; None if they never did."""
    total_s: float


def _age(operation: Operation) -> float:
    """Return for how many seconds *operation* has been at work, or was."""
    if operation.done:
        return _seconds_between(operation.create_time, operation.end_time)
    now = Timestamp()
    now.GetCurrentTime()
    return max(0.0, _seconds_between(operation.create_time, now))


def follow(
    session: Session,
    operation: Operation,
    *,
    timeout: float,
    begun: float | None = None,
    joined: bool = False,
) -> Followed:
    """Wait until *operation* is done, telling on stderr what it does.

    Args:
        session: Where it runs.
        operation: As its call returned it.
        timeout: Seconds to wait at most.
        begun: When it was asked for, on the monotonic clock; by default now.
        joined: Whether it was begun by another command, some time ago.

    Raises:
        StillRunningError: The time is over.
        InterruptedWaitError: Ctrl-c.
    """
    if joined:
        begun = time.monotonic() - _age(operation)
    log = _StepLog(begun=time.monotonic() if begun is None else begun, joined=joined)
    deadline = time.monotonic() + timeout
    try:
        with _spinner() as spin:
            log.tell(operation)
            for seen in _changes(session, operation, deadline=deadline):
                operation = seen
                log.tell(operation)
                spin(log.current)
    except KeyboardInterrupt:
        raise InterruptedWaitError(operation) from None
    if not operation.done:
        raise StillRunningError(operation, timeout=timeout)
    return Followed(operation=operation, switched_s=log.switched_s, total_s=log.elapsed())


def require_success(operation: Operation) -> None:
    """Do nothing if *operation* did what it was started for.

    Raises:
        CommandError: It was taken back, or another took its place.
    """
    match operation.state:
        case OperationState.OPERATION_STATE_SUCCEEDED:
            return
        case OperationState.OPERATION_STATE_SUPERSEDED:
            raise CommandError(
                f"{operation.name} was superseded by a newer change of the alias: trilock history",
                code=Exit.FORBIDDEN,
            )
        case _:
            error = operation.error
            code = exit_for_reason(error.reason) if error.reason else Exit.FORBIDDEN
            raise CommandError(
                f"taken back, everything is as before: {error.message or 'cancelled'}", code=code
            )


def _changes(session: Session, operation: Operation, *, deadline: float) -> Iterator[Operation]:
    backoff, seen, silent = Backoff(most=2.0), 0, False
    while not operation.done and (left := deadline - time.monotonic()) > 0:
        ask = min(left, _ASK_S)
        request = WaitOperationRequest(name=operation.name, seen=seen)
        request.timeout.CopyFrom(Duration(nanos=int(ask % 1 * 1e9), seconds=int(ask)))
        try:
            response = session.client.operations.WaitOperation(request, timeout=ask + _GRACE_S)
        except UnavailableError as error:
            if not silent:
                say(f"{clean(str(error))}\nthe operation goes on when the server is back; waiting")
            silent = True
            threading.Event().wait(min(backoff.wait(), left))
            continue
        backoff.reset()
        silent = False
        seen, operation = response.version, response.operation
        yield operation


class _StepLog:
    """Writes one line for each thing that happened, with the seconds it happened after."""

    def __init__(self, *, begun: float, joined: bool) -> None:
        self._begun = begun
        self._told: set[tuple[str, str]] = set()
        # What was over before somebody came to wait has the server's times.
        self._past = joined
        self.current = ""
        self.switched_s: float | None = None

    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def tell(self, operation: Operation) -> None:
        steps = list(operation.steps)
        pivot = steps.pop() if steps and has_switched(operation) else None
        for step in steps:
            after = self._after(operation, step)
            if step.state in {"DONE", "UNDONE"}:
                self._line(operation, step.state.lower(), step.title or step.step, after=after)
            elif step.state == "STARTED" and step.progress:
                self._line(operation, "tells", f"{step.step}: {step.progress}", after=after)
            if step.error and step.state not in {"DONE", "UNDONE"}:
                what = f"{step.title or step.step}: {step.error}"
                # No attempt has failed where something only has to end first.
                self._line(operation, "failed" if step.attempts else "waits", what, after=after)
        if has_switched(operation) and self.switched_s is None:
            self.switched_s = self.elapsed() if pivot is None else self._after(operation, pivot)
            # The title of the step says it; only that it is done is not said twice.
            title = "every reader" if pivot is None else pivot.title.removeprefix("switch ")
            what = f"{title}, at revision {operation.pivot_revision}"
            self._line(operation, "switched", what, after=self.switched_s)
        for plane in operation.planes:
            if plane.converged:
                self._line(operation, "agrees", plane.plane)
            elif plane.error:
                self._line(operation, "waits", f"{plane.plane}: {plane.error}")
        running = [step.title or step.step for step in operation.steps if step.state == "STARTED"]
        following = [plane.plane for plane in operation.planes if not plane.converged]
        self.current = (running or following or [state_of(operation).lower()])[0]
        self._past = False

    def _after(self, operation: Operation, step: OperationStep) -> float:
        """Return after how many seconds what is told of *step* happened."""
        if self._past and step.HasField("end_time"):
            return _seconds_between(operation.create_time, step.end_time)
        return self.elapsed()

    def _line(
        self, operation: Operation, what: str, about: str, *, after: float | None = None
    ) -> None:
        if (what, about) not in self._told:
            self._told.add((what, about))
            seconds = self.elapsed() if after is None else after
            about = clean(shorter(about, alias=operation.alias))
            say(f"{seconds:7.1f} s  {what:<8}  {about}")


def _seconds_between(first: Timestamp, second: Timestamp) -> float:
    return (second.ToNanoseconds() - first.ToNanoseconds()) / 1e9


@contextmanager
def _spinner() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what runs and for how long; elsewhere nothing."""
    console = words()
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("begins")

        def spin(text: str) -> None:
            progress.update(task, description=clean(text))

        yield spin


def _id(operation: Operation) -> str:
    return operation.name.removeprefix("operations/")
