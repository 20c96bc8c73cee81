"""Stop the clock of a soak, and let it go on."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import Session

from trilock.server.domain.errors import StaleEtagError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.release import Cause, Release
from trilock.server.store.pauses import pause_soak, resume_soak
from trilock.server.store.releases import get_release, require_live
from trilock.server.store.requests import claim_request, request_hash
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The live release, and whether somebody was faster."""

    release: Release
    already_done: bool


def pause(
    runtime: Runtime,
    *,
    alias: AliasRef,
    reason: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Paused:
    """Stop the clock of the soak on *alias*; finalize is refused until it is resumed. Idempotent.

    A finalize that has not begun to move rows turns back; a rollback is never stopped.

    Raises:
        NotFoundError: Nothing was ever released there.
        StaleEtagError: The alias changed since the caller looked.
        WrongStateError: The live release does not soak.
    """
    return _change(
        runtime,
        alias=alias,
        etag=etag,
        request_id=request_id,
        content=request_hash("pause", alias=str(alias), etag=etag),
        validate_only=validate_only,
        change=lambda session: pause_soak(
            session, alias, cause=Cause(principal=principal, reason=reason)
        ),
    )


def resume(
    runtime: Runtime,
    *,
    alias: AliasRef,
    reason: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Paused:
    """Let the clock of the soak on *alias* go on. Idempotent.

    Raises:
        NotFoundError: Nothing was ever released there.
        StaleEtagError: The alias changed since the caller looked.
        WrongStateError: The live release does not soak.
    """
    return _change(
        runtime,
        alias=alias,
        etag=etag,
        request_id=request_id,
        content=request_hash("resume", alias=str(alias), etag=etag),
        validate_only=validate_only,
        change=lambda session: resume_soak(
            session, alias, cause=Cause(principal=principal, reason=reason)
        ),
    )


def _change(
    runtime: Runtime,
    *,
    alias: AliasRef,
    etag: str,
    request_id: str,
    content: str,
    validate_only: bool,
    change: Callable[[Session], tuple[Release, bool]],
) -> Paused:
    with runtime.database.write() as session:
        first = validate_only or claim_request(session, request_id, content)
        live = require_live(session, alias)
        if not first:
            # A repeat: what others did since must not be undone by it.
            return Paused(release=get_release(session, live.release), already_done=True)
        if etag and etag != live.etag:
            raise StaleEtagError(resource=str(alias), expected=etag, found=live.etag)
        release, new = change(session)
        if validate_only:
            session.rollback()
    return Paused(release=release, already_done=not new)
