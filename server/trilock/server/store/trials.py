"""Releases on trial beside the live one: a canary with its share, and a shadow.

They hang on the same live row, so whoever resolves is told of them with the live
bundle. Each change is, as `go_live`, one transaction with its revision and event.
"""

from sqlmodel import Session, select

from trilock.server.domain.errors import StaleEtagError
from trilock.server.domain.names import AliasRef, BundleRef, ModelName, ReleaseRef
from trilock.server.domain.release import (
    Cause,
    LiveRow,
    ReleaseKind,
    ReleaseState,
    ReservedRelease,
    require_transition,
)
from trilock.server.store import codec
from trilock.server.store.clock import db_now_ms, now_ms
from trilock.server.store.counters import allot_revision
from trilock.server.store.releases import (
    announce,
    end_release,
    live_to_domain,
    release_row,
)
from trilock.server.store.tables import LiveTable, ReleaseRow


def start_trial(
    session: Session,
    *,
    alias: AliasRef,
    release: ReservedRelease,
    bundle: BundleRef,
    percent: int,
    cause: Cause,
    expected: ReleaseRef,
) -> LiveRow:
    """Put *bundle* on trial beside what is live on *alias*.

    Args:
        session: The caller's transaction.
        alias: Where.
        release: The reserved release to begin.
        bundle: What it tries.
        percent: The canary's share; 0 for a shadow.
        cause: Who and why.
        expected: The release that must be live now. It is the target.

    Raises:
        StaleEtagError: Another release is live, or there is such a trial already.
    """
    row = _locked(session, alias)
    _require(alias, expected=expected, found=ReleaseRef(alias.model, row.release))
    there = row.canary if percent else row.shadow
    _require(alias, expected=None, found=_ref(alias.model, there))
    revision = allot_revision(session)
    state = ReleaseState.CANARY if percent else ReleaseState.SHADOW
    session.add(
        ReleaseRow(
            model=alias.model,
            number=release.ref.number,
            epoch=release.epoch,
            alias=alias.alias,
            bundle=bundle.number,
            kind=ReleaseKind.PROMOTION.value,
            state=state.value,
            target=row.release,
            leaves=row.release,
            leaves_bundle=row.bundle,
            revision=revision,
            started_ms=now_ms(),
            cause=codec.cause_to_json(cause),
            pauses=[],
            trial=True,
        )
    )
    session.flush()
    if percent:
        row.canary, row.canary_percent = release.ref.number, percent
    else:
        row.shadow = release.ref.number
    return _changed(session, row, revision=revision, cause=cause)


def set_share(
    session: Session, *, alias: AliasRef, canary: ReleaseRef, percent: int, cause: Cause
) -> LiveRow:
    """Give *canary* so many of a hundred requests; at 100 it goes live, and soaks.

    Raises:
        StaleEtagError: It is not the canary any more.
    """
    row = _locked(session, alias)
    _require(alias, expected=canary, found=_ref(alias.model, row.canary))
    revision = allot_revision(session)
    row.canary_percent = percent
    if percent == 100:  # noqa: PLR2004 - all of a hundred
        live, release = ReleaseRef(alias.model, row.release), release_row(session, canary)
        end_release(session, live, kind=ReleaseKind.PROMOTION, cause=cause)
        require_transition(canary, old=ReleaseState(release.state), new=ReleaseState.SOAKING)
        release.state, release.trial = ReleaseState.SOAKING.value, False
        # It was on trial until now; from here on it is what was live.
        release.revision, release.started_ms = revision, now_ms()
        release.target = release.leaves = row.release
        release.leaves_bundle = row.bundle
        session.add(release)
        row.release, row.epoch, row.bundle = release.number, release.epoch, release.bundle
        row.target, row.state = release.target, release.state
        row.canary, row.canary_percent = None, 0
    return _changed(session, row, revision=revision, cause=cause)


def end_trial(session: Session, *, alias: AliasRef, trial: ReleaseRef, cause: Cause) -> LiveRow:
    """Take *trial* back: its requests are the live release's again.

    The end of a shadow, which gave nobody an answer, is a revision but no switch: what
    still follows the last one goes on.

    Raises:
        StaleEtagError: It is not on trial any more.
    """
    row = _locked(session, alias)
    if trial.number not in {row.canary, row.shadow}:
        found = _ref(alias.model, row.canary or row.shadow)
        raise StaleEtagError(resource=str(alias), expected=str(trial), found=str(found))
    end_release(session, trial, kind=ReleaseKind.ROLLBACK, cause=cause)
    is_canary = row.canary == trial.number
    if is_canary:
        row.canary, row.canary_percent = None, 0
    else:
        row.shadow = None
    revision = allot_revision(session)
    return _changed(session, row, revision=revision, cause=cause, switches=is_canary)


def _locked(session: Session, alias: AliasRef) -> LiveTable:
    row = session.exec(
        select(LiveTable)
        .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise StaleEtagError(resource=str(alias), expected="a live release", found="none")
    return row


def _changed(
    session: Session, row: LiveTable, *, revision: int, cause: Cause, switches: bool = True
) -> LiveRow:
    row.revision = revision
    if switches:
        row.switched_revision = revision
        row.switched_ms = session.exec(select(db_now_ms())).one()
    row.cause = codec.cause_to_json(cause)
    session.add(row)
    session.flush()
    live = live_to_domain(row)
    announce(session, live)
    return live


def _require(alias: AliasRef, *, expected: ReleaseRef | None, found: ReleaseRef | None) -> None:
    if found != expected:
        raise StaleEtagError(resource=str(alias), expected=str(expected), found=str(found))


def _ref(model: ModelName, number: int | None) -> ReleaseRef | None:
    return None if number is None else ReleaseRef(model, number)
