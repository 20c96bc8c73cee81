"""Operations as messages."""

from trilock.server.domain.errors import TrilockError
from trilock.server.domain.operation import Operation, OperationStep
from trilock.server.rpc.convert.fields import name_of, timestamp
from trilock.server.rpc.convert.releases import cause_to_proto, plane_to_proto
from trilock.server.usecases.describe_operation import OperationStatus
from trilock.v1 import operation_pb2


def operation_to_proto(status: OperationStatus) -> operation_pb2.Operation:
    """Return the message of *status*."""
    operation: Operation = status.operation
    failed = operation.error_reason or operation.error_message
    return operation_pb2.Operation(
        name=operation.name,
        kind=operation.kind.value,
        alias=str(operation.alias),
        state=operation_pb2.OperationState.Value(f"OPERATION_STATE_{operation.state.value}"),
        done=operation.done,
        release=name_of(operation.release),
        bundle=name_of(status.bundle),
        steps=[_operation_step(step) for step in operation.steps],
        planes=[plane_to_proto(plane) for plane in status.planes],
        pivot_revision=operation.pivot_revision or 0,
        error=operation_pb2.OperationError(
            reason=operation.error_reason, message=operation.error_message
        )
        if failed
        else None,
        next_try_time=timestamp(operation.next_try),
        cause=cause_to_proto(operation.cause),
        create_time=timestamp(operation.created),
        end_time=timestamp(operation.ended),
        deadline_time=timestamp(operation.deadline),
    )


def _operation_step(step: OperationStep) -> operation_pb2.OperationStep:
    return operation_pb2.OperationStep(
        step=step.step,
        title=step.title,
        state=step.state.value,
        attempts=step.attempts,
        error=step.error,
        start_time=timestamp(step.started),
        end_time=timestamp(step.ended),
        progress=step.progress,
    )


def refusal_to_proto(error: TrilockError) -> operation_pb2.OperationError:
    """Return the message of why something would be refused."""
    return operation_pb2.OperationError(reason=error.reason, message=str(error))
