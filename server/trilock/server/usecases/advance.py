"""Give a canary another share of the requests; all of them, and it is live and soaks."""

from collections.abc import Callable
from typing import Final

from trilock.server.checks.sharing import mirror_scopes
from trilock.server.domain.errors import StaleEtagError, TrilockError, WrongStateError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation
from trilock.server.domain.release import Cause
from trilock.server.operations.catalog import steps
from trilock.server.operations.step import Gate
from trilock.server.planning.plan import Surroundings
from trilock.server.planning.trial import plan_advance
from trilock.server.store.releases import get_release, require_live
from trilock.server.store.requests import request_hash
from trilock.server.usecases.promote import require_ready
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings

_LIVE: Final = 100
"""The share with which a canary is live: what it replaces becomes the rollback target."""


def advance(
    runtime: Runtime,
    *,
    alias: AliasRef,
    percent: int,
    reason: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Operation | None:
    """Start the operation that gives the canary of *alias* so many of a hundred requests.

    Returns:
        The operation, which goes on by itself; None for *validate_only*.

    Raises:
        NotFoundError: Nothing was ever released there.
        WrongStateError: There is no canary, or it has that share.
        StaleEtagError: The alias changed since the caller looked.
        NotReadyError: It would go live, and what is live could not be restored.
        TrilockError: Whatever a gate of a promotion says.
    """
    content = request_hash("advance", alias=str(alias), percent=percent, etag=etag)

    def started() -> Operation | None:
        with runtime.database.read() as session:
            return runtime.journal.find(session, request_id=request_id, request_hash=content)

    if (known := started()) is not None:
        return known
    try:
        around, ask = _planned(runtime, alias, percent=percent, etag=etag)
        ask()
    except TrilockError:
        # What stands against it may be what this very request did meanwhile.
        if (known := started()) is not None:
            return known
        raise
    if validate_only:
        return None
    with runtime.database.write() as session:
        known = runtime.journal.claim(session, request_id=request_id, request_hash=content)
        if known is not None:
            return known
        live = require_live(session, alias)
        if live.etag != around.etag or live.canary is None:
            raise StaleEtagError(resource=str(alias), expected=around.etag, found=live.etag)
        return runtime.journal.submit(
            session,
            plan_advance(
                around,
                canary=live.canary,
                bundle=get_release(session, live.canary).bundle,
                percent=percent,
            ),
            request_id=request_id,
            request_hash=content,
            cause=Cause(principal=principal, reason=reason),
            release=live.canary,
            scopes=(str(alias), *mirror_scopes(runtime.connections, alias)),
        )


def _planned(
    runtime: Runtime, alias: AliasRef, *, percent: int, etag: str
) -> tuple[Surroundings, Callable[[], None]]:
    """Return what is around the canary, and what asks the gates that the pivot will ask again."""
    with runtime.database.read() as session:
        live = require_live(session, alias)
        around = surroundings(runtime, session, alias)
        if etag and etag != live.etag:
            raise StaleEtagError(resource=str(alias), expected=etag, found=live.etag)
        if live.canary is None:
            raise WrongStateError(
                resource=str(alias),
                state="without a canary",
                verb="advanced",
                hint="`trilock promote --canary` starts one",
            )
        if live.canary_percent == percent:
            raise WrongStateError(
                resource=str(live.canary), state=f"at {percent} % already", verb="advanced"
            )
        bundle = get_release(session, live.canary).bundle
    plan = plan_advance(around, canary=live.canary, bundle=bundle, percent=percent)
    parts = steps(runtime.database, runtime.connections)

    def ask() -> None:
        for planned in plan.steps:
            part = parts[planned.step]
            if isinstance(part, Gate):
                part.require(planned.args)
        if percent == _LIVE:
            # Proven when the canary began, which may be days ago.
            require_ready(runtime, around, accept_unready="")

    return around, ask
