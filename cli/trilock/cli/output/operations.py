"""Operations in words: where they are, what they wait for, and what may still be done."""

from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from trilock.cli.output.plain import enum_name, moment
from trilock.cli.output.streams import clean
from trilock.cli.output.words import last, shorter, when
from trilock.v1.operation_pb2 import Operation, OperationState


def state_of(operation: Operation) -> str:
    """Return the operation's state in a word."""
    return enum_name(OperationState.DESCRIPTOR, operation.state)


def has_switched(operation: Operation) -> bool:
    """Return whether every reader was told to serve another bundle; finalize tells none."""
    return bool(operation.pivot_revision) and operation.kind != "FINALIZE"


def may_turn_back(operation: Operation) -> bool:
    """Return whether *operation* can still be cancelled."""
    runs = operation.state == OperationState.OPERATION_STATE_RUNNING
    return runs and not operation.pivot_revision and operation.kind != "ROLL_BACK"


def how_to_follow(name: str) -> list[str]:
    """Return a line for each way to look at the operation *name* that goes on by itself."""
    told = last(name)
    return [
        f"  look at it:     trilock operations show {told}",
        f"  wait for it:    trilock operations wait {told}",
    ]


def how_to_turn_back(name: str) -> str:
    """Return the line that says how to cancel the operation *name*."""
    return f"  turn it back:   trilock operations cancel {last(name)}"


def waits(operation: Operation) -> Iterator[str]:
    """Yield one line for everything that *operation* waits for."""
    yield from step_waits(operation)
    for plane in operation.planes:
        if not plane.converged:
            why = shorter(plane.error, alias=operation.alias) or "it follows"
            yield clean(
                f"{plane.plane}{_since(plane.failing_since_time)}: {why}"
                f"{_again(plane.next_try_time)}"
            )


def step_waits(operation: Operation) -> Iterator[str]:
    """Yield one line for every step that *operation* waits for."""
    for step in operation.steps:
        if step.error and step.state not in {"DONE", "UNDONE"}:
            why = shorter(step.error, alias=operation.alias)
            again = _again(operation.next_try_time)
            yield clean(f"{step.step}{_since(step.start_time)}: {why}{again}")


def _since(timestamp: Timestamp) -> str:
    since = moment(timestamp)
    return f" since {when(since)}" if since else ""


def _again(timestamp: Timestamp) -> str:
    next_try = moment(timestamp)
    return f"; next try {when(next_try)}" if next_try else ""
