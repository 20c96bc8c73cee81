"""Give a promotion up, wherever it is: undone before its pivot, rolled back after it."""

from dataclasses import dataclass

from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import OperationId, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.releases import get_release
from trilock.server.usecases.roll_back import roll_back
from trilock.server.usecases.runtime import Runtime

_OVER = frozenset({ReleaseState.FINALIZED, ReleaseState.SUPERSEDED})
"""States of a release whose promotion is no longer in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """How a promotion is given up."""

    operation: Operation | None
    """The promotion, turning back; or the rollback. None if it was only asked."""
    rolls_back: bool
    """Whether it was past its pivot, so that a rollback takes it back."""
    already_done: bool


def abort(
    runtime: Runtime,
    operation: OperationId,
    *,
    reason: str,
    incident: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Aborted:
    """Give up the promotion that *operation* is.

    It is named, and not its alias, so that a repeat finds what the first one did.

    Raises:
        NotFoundError: There is no such operation.
        WrongStateError: It is no promotion, or what it made live is final.
        NoSafeTargetError: It has switched, and there is nothing to go back to.
        StaleEtagError: What it made live was replaced by something else since.
    """
    found = runtime.journal.get(operation)
    if found.kind is not OperationKind.PROMOTE:
        raise WrongStateError(
            resource=found.name,
            state=f"a {found.kind.lower().replace('_', ' ')}, {found.state}",
            verb="aborted",
            hint="only a promotion is; `trilock rollback` goes back",
        )
    if found.state is OperationState.RUNNING:
        if validate_only:
            return Aborted(operation=None, rolls_back=False, already_done=False)
        turning_back = _turn_back(runtime, found, reason=reason, principal=principal)
        if turning_back is not None:
            return Aborted(operation=turning_back, rolls_back=False, already_done=False)
        found = runtime.journal.get(operation)  # it has switched meanwhile
    if found.pivot_revision is None or found.release is None:
        return Aborted(operation=found, rolls_back=False, already_done=True)
    _require_in_progress(runtime, found.release)
    started = roll_back(
        runtime,
        alias=found.alias,
        leaves=found.release,
        to_bundle=None,
        reason=reason or f"{found.name} was aborted",
        incident=incident,
        request_id=request_id,
        validate_only=validate_only,
        principal=principal,
    )
    return Aborted(operation=started.operation, rolls_back=True, already_done=started.already_done)


def _turn_back(
    runtime: Runtime, promotion: Operation, *, reason: str, principal: str
) -> Operation | None:
    """Return *promotion*, turning back; None if it is past its pivot, or at its end."""
    try:
        return runtime.journal.cancel(promotion.id, reason=reason, principal=principal)
    except WrongStateError:
        return None


def _require_in_progress(runtime: Runtime, release: ReleaseRef) -> None:
    with runtime.database.read() as session:
        state = get_release(session, release).state
    if state in _OVER:
        raise WrongStateError(
            resource=str(release),
            state=state,
            verb="aborted",
            hint="its promotion is over; `trilock rollback` goes back",
        )
