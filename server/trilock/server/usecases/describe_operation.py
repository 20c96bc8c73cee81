"""An operation with the bundle it is about and the planes that follow it."""

from dataclasses import dataclass, replace

from sqlmodel import Session

from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.store.plane_states import PlaneState, list_plane_states
from trilock.server.store.releases import get_live, get_release
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus:
    """What people are told of an operation."""

    operation: Operation
    bundle: BundleRef | None
    """What it makes live or finalizes; None if that was never recorded."""
    planes: tuple[PlaneState, ...]
    """The planes of its alias, once it has switched and while its release is live."""


def describe_operation(runtime: Runtime, operation: Operation) -> OperationStatus:
    """Return *operation* with what hangs on it."""
    with runtime.database.read() as session:
        return OperationStatus(
            operation=operation,
            bundle=_bundle(session, operation),
            planes=_planes(session, operation),
        )


def _bundle(session: Session, operation: Operation) -> BundleRef | None:
    # Before the pivot the release is a reserved number and nothing else: the plan knows.
    for step in operation.plan.steps:
        if "bundle" in step.args:
            return BundleRef.parse(step.args["bundle"])
    if operation.release is None:
        return None
    try:
        return get_release(session, operation.release).bundle
    except NotFoundError:
        return None


def _planes(session: Session, operation: Operation) -> tuple[PlaneState, ...]:
    if operation.state not in {OperationState.CONVERGING, OperationState.SUCCEEDED}:
        return ()
    live = get_live(session, operation.alias)
    if live is None or live.release != operation.release:
        return ()
    planes = list_plane_states(session, live)
    if operation.state is OperationState.SUCCEEDED:
        # All followed it, or it would not have ended so. What the row has asked of them
        # since, as when its release was finalized, is none of this operation's.
        return tuple(
            replace(plane, converged=True, attempts=0, error="", failing_since=None, next_try=None)
            for plane in planes
        )
    return tuple(planes)
