"""Let a held bundle be promoted again, or promotions go to a held alias."""

import logging
from typing import Final

from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasName, AliasRef, BundleRef
from trilock.server.store.bundles import get_bundle
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.holds import remove_hold
from trilock.server.usecases.runtime import Runtime

_log = logging.getLogger(__name__)
_NO_ALIAS: Final = AliasName("")


def lift_hold(
    runtime: Runtime, *, resource: BundleRef | AliasRef, reason: str, principal: str
) -> None:
    """Remove the hold of *resource*; who and why is an event.

    Raises:
        NotFoundError: There is no such bundle.
        WrongStateError: It is not on hold.
    """
    with runtime.database.write() as session:
        # Pivots queue here, and a rollback's puts what it leaves on hold: in the same order.
        revision = allot_revision(session)
        if isinstance(resource, BundleRef):
            get_bundle(session, resource)
        if not remove_hold(session, resource):
            raise WrongStateError(resource=str(resource), state="not on hold", verb="lifted")
        append_event(
            session,
            at=revision,
            kind="HOLD_LIFTED",
            model=resource.model,
            alias=_NO_ALIAS if isinstance(resource, BundleRef) else resource.alias,
            payload={"resource": str(resource), "principal": principal, "reason": reason},
        )
    _log.info("%s lifted the hold of %s: %s", principal, resource, reason)
