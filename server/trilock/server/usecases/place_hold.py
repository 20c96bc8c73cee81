"""Keep a bundle from being promoted, or an alias from being promoted to."""

import logging
from datetime import datetime
from typing import Final

from trilock.server.domain.errors import InvalidRequestError, WrongStateError
from trilock.server.domain.names import AliasName, AliasRef, BundleRef
from trilock.server.domain.release import Cause
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.holds import Hold, get_hold, put_hold
from trilock.server.store.releases import require_live
from trilock.server.usecases.runtime import Runtime

_log = logging.getLogger(__name__)
_NO_ALIAS: Final = AliasName("")


def place_hold(
    runtime: Runtime,
    *,
    resource: BundleRef | AliasRef,
    reason: str,
    expires: datetime | None,
    principal: str,
) -> Hold:
    """Put *resource* on hold; who and why is an event. No rollback is stopped by it.

    Raises:
        NotFoundError: There is no such bundle, or nothing was ever released on the alias.
        InvalidRequestError: It would have expired already.
        WrongStateError: It is on hold.
    """
    if expires is not None and expires <= to_datetime(now_ms()):
        raise InvalidRequestError([("expire_time", "must be in the future")])
    with runtime.database.write() as session:
        # Pivots queue here, and a rollback's puts what it leaves on hold: in the same order.
        revision = allot_revision(session)
        if isinstance(resource, BundleRef):
            get_bundle(session, resource)
        else:
            require_live(session, resource)
        known = get_hold(session, resource)
        if known is not None:
            raise WrongStateError(
                resource=str(resource),
                state=f"on hold by {known.principal} already: {known.reason}",
                verb="held",
                hint="`trilock unhold` it first",
            )
        cause = Cause(principal=principal, reason=reason)
        put_hold(session, resource, cause=cause, expires=expires)
        append_event(
            session,
            at=revision,
            kind="HOLD_PLACED",
            model=resource.model,
            alias=_NO_ALIAS if isinstance(resource, BundleRef) else resource.alias,
            payload={
                "resource": str(resource),
                "principal": principal,
                "reason": reason,
                "expires": "" if expires is None else expires.isoformat(),
            },
        )
        session.flush()
        placed = get_hold(session, resource)
    if placed is None:
        raise InvalidRequestError([("expire_time", "was over before the hold was written")])
    _log.info("%s put %s on hold: %s", principal, resource, reason)
    return placed
