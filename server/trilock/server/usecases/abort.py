"""Give a promotion up, wherever it is: undone before its pivot, rolled back after it.

What one pivot made live is taken back with one, whichever of its aliases the operation is
of; but for what is final, or was taken back by itself, since.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trilock.server.domain.errors import StaleEtagError, TrilockError, WrongStateError
from trilock.server.domain.names import AliasRef, OperationId, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.operations.history import find_rollback
from trilock.server.operations.joined import Switched, switched_together
from trilock.server.store.releases import get_release
from trilock.server.store.requests import request_hash
from trilock.server.usecases.companions import in_progress
from trilock.server.usecases.roll_back import roll_back
from trilock.server.usecases.roll_back_together import (
    plan_roll_back_together,
    roll_back_together,
)
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
    aliases: tuple[AliasRef, ...] = ()
    """What it takes back; none if that was done already."""


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
        with runtime.database.read() as session:
            aliases = tuple(one.alias for one in switched_together(session, found.id))
        if validate_only:
            return Aborted(operation=None, rolls_back=False, already_done=False, aliases=aliases)
        turning_back = _turn_back(runtime, found, reason=reason, principal=principal)
        if turning_back is not None:
            return Aborted(
                operation=turning_back, rolls_back=False, already_done=False, aliases=aliases
            )
        found = runtime.journal.get(operation)  # it has switched meanwhile
    if found.pivot_revision is None or found.release is None:
        return Aborted(operation=found, rolls_back=False, already_done=True)
    with runtime.database.read() as session:
        is_joint = len(switched_together(session, found.id)) > 1
    if is_joint:
        cause = Cause(
            principal=principal, reason=reason or f"{found.name} was aborted", incident=incident
        )
        return _abort_all(
            runtime, found, cause=cause, request_id=request_id, validate_only=validate_only
        )
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
    return Aborted(
        operation=started.operation,
        rolls_back=True,
        already_done=started.already_done,
        aliases=() if started.already_done else (found.alias,),
    )


def _abort_all(
    runtime: Runtime, promotion: Operation, *, cause: Cause, request_id: str, validate_only: bool
) -> Aborted:
    content = request_hash("abort", operation=promotion.name)
    for is_last in (False, True):
        with runtime.database.read() as session:
            known = runtime.journal.find(session, request_id=request_id, request_hash=content)
            switched = switched_together(session, promotion.id)
            leave = tuple(in_progress(session, promotion.id))
            done = [find_rollback(session, one.alias, leaves=one.release) for one in switched]
            back = () if known is None else switched_together(session, known.id)
        if known is not None:
            aliases = tuple(one.alias for one in back)
            return Aborted(operation=known, rolls_back=True, already_done=False, aliases=aliases)
        if not leave:
            for rollback in done:
                if rollback is not None:
                    return Aborted(operation=rollback, rolls_back=True, already_done=True)
            raise _over(runtime, switched)
        aliases = tuple(one.alias for one in leave)
        try:
            if validate_only:
                plan_roll_back_together(runtime, leave)
                return Aborted(operation=None, rolls_back=True, already_done=False, aliases=aliases)
            started = roll_back_together(
                runtime, leave, cause=cause, request_id=request_id, content=content
            )
        except StaleEtagError:
            # Somebody has just taken one of them back by itself: what is left, is left.
            if is_last:
                raise
            continue
        return Aborted(operation=started, rolls_back=True, already_done=False, aliases=aliases)
    raise AssertionError("it returns, or raises, the second time")


def _over(runtime: Runtime, switched: Sequence[Switched]) -> TrilockError:
    """Return why nothing of *switched* is in progress any more."""
    for one in switched:
        try:
            _require_in_progress(runtime, one.release)
        except WrongStateError as error:
            return error
    lead = switched[0]
    return StaleEtagError(resource=str(lead.alias), expected=str(lead.release), found="others")


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
