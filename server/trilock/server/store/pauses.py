"""Pauses of a soak: kept with the release, so that its history has them for good."""

from typing import Any

from sqlmodel import Session, select

from trilock.server.domain.errors import NotFoundError, WrongStateError
from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.release import Cause, Release, ReleaseState
from trilock.server.store import codec
from trilock.server.store.clock import now_ms
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.releases import get_release, require_live
from trilock.server.store.tables import LiveTable, ReleaseRow


def pause_soak(session: Session, alias: AliasRef, *, cause: Cause) -> tuple[Release, bool]:
    """Pause the soak of the live release of *alias*; return it, and whether that is new.

    Raises:
        NotFoundError: Nothing was ever released there.
        WrongStateError: The live release does not soak.
    """
    row, release = _locked(session, alias)
    if release.state is not ReleaseState.SOAKING:
        raise WrongStateError(resource=str(release.ref), state=release.state, verb="paused")
    if release.paused is not None:
        return release, False
    revision = _tell(session, release, kind="PAUSED", cause=cause)
    begun: dict[str, Any] = {
        "revision": revision,
        "started_ms": now_ms(),
        "cause": codec.cause_to_json(cause),
        "ended_revision": None,
        "ended_ms": None,
        "ended_by": None,
    }
    row.pauses = [*row.pauses, begun]
    return _written(session, row, release.ref), True


def resume_soak(session: Session, alias: AliasRef, *, cause: Cause) -> tuple[Release, bool]:
    """Resume the soak of the live release of *alias*; return it, and whether that is new.

    Raises:
        NotFoundError: Nothing was ever released there.
        WrongStateError: The live release does not soak.
    """
    row, release = _locked(session, alias)
    if release.state is not ReleaseState.SOAKING:
        raise WrongStateError(resource=str(release.ref), state=release.state, verb="resumed")
    if release.paused is None:
        return release, False
    revision = _tell(session, release, kind="RESUMED", cause=cause)
    ended = {
        **row.pauses[-1],
        "ended_revision": revision,
        "ended_ms": now_ms(),
        "ended_by": codec.cause_to_json(cause),
    }
    row.pauses = [*row.pauses[:-1], ended]
    return _written(session, row, release.ref), True


def forbid_paused(session: Session, alias: AliasRef, *, lasting: bool = True) -> None:
    """Do nothing if the live release of *alias* is not paused; if *lasting*, until the commit.

    Raises:
        NotFoundError: Nothing was ever released there.
        WrongStateError: It is; who paused it, and why, is said.
    """
    if lasting:
        _, release = _locked(session, alias)
    else:
        release = get_release(session, require_live(session, alias).release)
    pause = release.paused
    if pause is None:
        return
    why = f" ({pause.cause.reason})" if pause.cause.reason else ""
    raise WrongStateError(
        resource=str(release.ref),
        state=f"paused by {pause.cause.principal}{why}",
        verb="finalized",
        hint="`trilock resume` goes on, `trilock rollback` goes back",
    )


def _locked(session: Session, alias: AliasRef) -> tuple[ReleaseRow, Release]:
    # Who finalizes or goes back takes the live row, too: neither comes in between.
    live = session.exec(
        select(LiveTable)
        .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
        .with_for_update()
    ).one_or_none()
    if live is None:
        raise NotFoundError(str(alias), hint="nothing was ever released there")
    row = session.get_one(ReleaseRow, (alias.model, live.release))
    return row, get_release(session, ReleaseRef(alias.model, row.number))


def _tell(session: Session, release: Release, *, kind: str, cause: Cause) -> int:
    revision = allot_revision(session)
    append_event(
        session,
        at=revision,
        kind=kind,
        model=release.alias.model,
        alias=release.alias.alias,
        payload={"release": str(release.ref), "cause": codec.cause_to_json(cause)},
    )
    return revision


def _written(session: Session, row: ReleaseRow, ref: ReleaseRef) -> Release:
    session.add(row)
    session.flush()
    return get_release(session, ref)
