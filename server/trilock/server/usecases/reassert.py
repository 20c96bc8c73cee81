"""Drive planes that others changed to the live row again, because somebody says so."""

from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasRef
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.drifts import Drift, set_reasserted
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import lock_live, require_live
from trilock.server.usecases.runtime import Runtime


def reassert(
    runtime: Runtime, *, alias: AliasRef, reason: str, principal: str
) -> tuple[Drift, ...]:
    """Have everything on record that deviates made to agree; who and why is an event.

    Raises:
        NotFoundError: Nothing was ever released there.
        WrongStateError: Nothing deviates.
    """
    with runtime.database.write() as session:
        require_live(session, alias)
        # Before what is on record of it: as whoever records does.
        lock_live(session, [alias])
        drifts = tuple(set_reasserted(session, alias))
        if not drifts:
            raise WrongStateError(resource=str(alias), state="without drift", verb="re-asserted")
        set_behind(session, alias, planes={drift.plane for drift in drifts})
        append_event(
            session,
            at=allot_revision(session),
            kind="DRIFT_REASSERTED",
            model=alias.model,
            alias=alias.alias,
            payload={
                "resources": [drift.deviation.resource for drift in drifts],
                "principal": principal,
                "reason": reason,
            },
        )
    return drifts
