"""Have an operation turn back, if it is of a kind that can."""

from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import OperationId
from trilock.server.domain.operation import Operation, OperationKind
from trilock.server.usecases.runtime import Runtime


def cancel_operation(
    runtime: Runtime, operation: OperationId, *, reason: str, principal: str
) -> Operation:
    """Have *operation* turn back. Idempotent.

    A rollback is never cancelled: it has fenced the writers of the release it
    leaves, and a fence is closed for good (docs/adr/0007).

    Raises:
        NotFoundError: There is no such operation.
        WrongStateError: It is a rollback, or past its pivot, or done.
    """
    found = runtime.journal.get(operation)  # its kind never changes
    if found.kind is OperationKind.ROLL_BACK:
        raise WrongStateError(
            resource=found.name,
            state=f"a rollback, {found.state}",
            verb="cancelled",
            hint="to have the bundle back, promote it again",
        )
    return runtime.journal.cancel(operation, reason=reason, principal=principal)
