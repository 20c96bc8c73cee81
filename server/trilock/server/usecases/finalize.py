"""End the soak of the live release: its staged rows move into their tables."""

from trilock.server.domain.errors import StaleEtagError, WrongStateError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.operations.gates.fleet_accepts import forbid_refused
from trilock.server.planning.finalize import plan_finalize
from trilock.server.store.pauses import forbid_paused
from trilock.server.store.releases import require_live
from trilock.server.store.requests import request_hash
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings


def finalize(
    runtime: Runtime,
    *,
    alias: AliasRef,
    reason: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Operation | None:
    """Start the operation that finalizes the live release of *alias*.

    Returns:
        The operation, which goes on by itself; None for *validate_only*.

    Raises:
        NotFoundError: Nothing was ever released there.
        StaleEtagError: The alias changed since the caller looked.
        FleetRefusedError: More than half of the watchers refused it.
        WrongStateError: The live release does not soak, or its soak is paused.
        BusyError: Another operation works on the alias.
    """
    content = request_hash("finalize", alias=str(alias), etag=etag)
    with runtime.database.write() as session:
        if not validate_only:
            known = runtime.journal.claim(session, request_id=request_id, request_hash=content)
            if known is not None:
                return known
        live = require_live(session, alias)
        if etag and etag != live.etag:
            raise StaleEtagError(resource=str(alias), expected=etag, found=live.etag)
        if live.state is not ReleaseState.SOAKING:
            raise WrongStateError(resource=str(live.release), state=live.state, verb="finalized")
        forbid_refused(session, live)
        # The pivot asks again, for good: to keep it so from here on would be to take the live
        # row before the lock.
        forbid_paused(session, alias, lasting=False)
        if validate_only:
            return None
        return runtime.journal.submit(
            session,
            plan_finalize(surroundings(runtime, session, alias), live=live),
            request_id=request_id,
            request_hash=content,
            cause=Cause(principal=principal, reason=reason),
            release=live.release,
            scopes=(str(alias),),
        )
