"""Let a held bundle be promoted again."""

import logging

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasName, BundleRef
from trilock.server.store.bundles import get_bundle, remove_hold
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.usecases.runtime import Runtime

_log = logging.getLogger(__name__)
_NO_ALIAS = AliasName("")


def lift_hold(runtime: Runtime, *, bundle: BundleRef, reason: str, principal: str) -> Bundle:
    """Remove the hold of *bundle*; who and why is an event.

    Raises:
        NotFoundError: There is no such bundle.
        WrongStateError: It is not on hold.
    """
    with runtime.database.write() as session:
        found = get_bundle(session, bundle)
        if not remove_hold(session, bundle):
            raise WrongStateError(resource=str(bundle), state="not on hold", verb="lifted")
        append_event(
            session,
            at=allot_revision(session),
            kind="HOLD_LIFTED",
            model=bundle.model,
            alias=_NO_ALIAS,
            payload={"bundle": str(bundle), "principal": principal, "reason": reason},
        )
    _log.info("%s lifted the hold of %s: %s", principal, bundle, reason)
    return found
