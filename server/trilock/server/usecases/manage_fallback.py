"""Record the bundle that a rollback goes to when no release can be restored, or forget it."""

from typing import Final

from sqlmodel import Session

from trilock.server.checks.compatibility import Judge
from trilock.server.checks.readiness import ReadinessState, readiness
from trilock.server.domain.errors import (
    HeldError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
)
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.release import Cause
from trilock.server.operations.history import lock_rollbacks
from trilock.server.operations.steps.deploy_features import forbid_retiring
from trilock.server.store.bundles import get_bundle
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.fallbacks import Fallback, get_fallback, put_fallback, remove_fallback
from trilock.server.store.holds import get_hold
from trilock.server.store.releases import require_live
from trilock.server.usecases.runtime import Runtime

_LOOK_SECONDS: Final = 10.0


def set_fallback(
    runtime: Runtime,
    *,
    alias: AliasRef,
    bundle: BundleRef,
    reason: str,
    validate_only: bool,
    principal: str,
) -> Fallback | None:
    """Record *bundle* as the fallback of *alias*, once it is proven. Idempotent.

    It is looked at again and again from then on, like a rollback target.

    Returns:
        What is recorded; None for *validate_only*.

    Raises:
        NotFoundError: There is no such bundle, or nothing was ever released there.
        HeldError: It is on hold.
        IncompatibleError: The check says no; and so for every other refusal of it.
        NotReadyError: It could not be made live now.
        PlaneUnavailableError: An outside system does not answer.
        BusyError: Its feature project, which nothing needed, is being removed.
    """
    if bundle.model != alias.model:
        raise InvalidRequestError([("bundle", f"{bundle} is not of model {alias.model!r}")])
    with runtime.database.read() as session:
        recorded = get_bundle(session, bundle)
        require_live(session, alias)
        _forbid_held(session, bundle)
    Judge(runtime.database, runtime.connections).require_promotable(alias=alias, bundle=bundle)
    found = readiness(runtime.connections, recorded, seconds=_LOOK_SECONDS)
    if found.state is not ReadinessState.READY:
        raise NotReadyError(resource=str(bundle), problems=found.problems)
    if validate_only:
        return None
    with runtime.database.write() as session:
        require_live(session, alias)
        _forbid_held(session, bundle)
        # Who removes the project either sees the fallback, or is seen.
        lock_rollbacks(session, alias)
        forbid_retiring(session, recorded.feature_schema)
        cause = Cause(principal=principal, reason=reason)
        put_fallback(session, alias, bundle=bundle, cause=cause)
        append_event(
            session,
            at=allot_revision(session),
            kind="FALLBACK_SET",
            model=alias.model,
            alias=alias.alias,
            payload={"bundle": str(bundle), "principal": principal, "reason": reason},
        )
        session.flush()
        return get_fallback(session, alias)


def clear_fallback(runtime: Runtime, *, alias: AliasRef, reason: str, principal: str) -> None:
    """Forget the fallback bundle of *alias*.

    Raises:
        NotFoundError: It has none.
    """
    with runtime.database.write() as session:
        fallback = get_fallback(session, alias)
        if fallback is None or not remove_fallback(session, alias):
            raise NotFoundError(f"a fallback bundle of {alias}")
        append_event(
            session,
            at=allot_revision(session),
            kind="FALLBACK_CLEARED",
            model=alias.model,
            alias=alias.alias,
            payload={"bundle": str(fallback.bundle), "principal": principal, "reason": reason},
        )


def _forbid_held(session: Session, bundle: BundleRef) -> None:
    # A hold on the alias forbids to go on, not to be able to go back.
    hold = get_hold(session, bundle)
    if hold is not None:
        raise HeldError(resource=str(bundle), why=hold.reason, who=hold.principal)
