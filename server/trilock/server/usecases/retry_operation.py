"""Try now what an operation waits for: people know before a timer does that a plane is back."""

from trilock.server.domain.names import OperationId
from trilock.server.domain.operation import Operation
from trilock.server.usecases.runtime import Runtime


def retry_operation(runtime: Runtime, operation: OperationId, *, principal: str) -> Operation:
    """Have the step, or the planes, that *operation* waits for tried at once. Idempotent.

    Raises:
        NotFoundError: There is no such operation.
        WrongStateError: It is done.
    """
    return runtime.journal.retry(operation, principal=principal)
