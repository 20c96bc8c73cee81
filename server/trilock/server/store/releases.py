"""Releases and the live row: what the pivot writes, and what everybody reads.

`go_live` is the one function that switches an alias. It changes the live row,
ends one release, begins another, appends the event and allots the revision in
the caller's transaction: all of it or none.
"""

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from trilock.server.domain.errors import NotFoundError, StaleEtagError
from trilock.server.domain.live import LiveBundle, ServingBundle
from trilock.server.domain.names import (
    AliasName,
    AliasRef,
    BundleRef,
    ModelName,
    ReleaseRef,
)
from trilock.server.domain.release import (
    LIVE_STATES,
    NO_RELEASE_ETAG,
    Cause,
    LiveRow,
    Release,
    ReleaseKind,
    ReleaseState,
    ReservedRelease,
    require_transition,
)
from trilock.server.store import codec
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import db_now_ms, now_ms, to_datetime, to_optional_datetime
from trilock.server.store.counters import allot_revision, append_event, generation, next_number
from trilock.server.store.insert import insert_rows
from trilock.server.store.lookup import find_row
from trilock.server.store.tables import LiveTable, ReleaseRow


def reserve_release(session: Session, model: ModelName) -> ReservedRelease:
    """Return a release to be; the number of one that never goes live is not given again."""
    ref = ReleaseRef(model, next_number(session, f"models/{model}/releases"))
    return ReservedRelease.of(ref, generation=generation(session))


def reserve_releases(session: Session, models: Sequence[ModelName]) -> list[ReservedRelease]:
    """Return a release to be for each of *models*, in their order.

    The numbers are taken in the order of the models' names, whoever leads: everybody's order.
    """
    positions = sorted(range(len(models)), key=lambda position: models[position])
    reserved = {position: reserve_release(session, models[position]) for position in positions}
    return [reserved[position] for position in range(len(models))]


def get_live(session: Session, alias: AliasRef) -> LiveRow | None:
    """Return the live row of *alias*, or None if nothing was ever released there."""
    row = find_row(session, LiveTable, model=alias.model, alias=alias.alias)
    return None if row is None else live_to_domain(row)


def require_live(session: Session, alias: AliasRef) -> LiveRow:
    """Return the live row of *alias*.

    Raises:
        NotFoundError: Nothing was ever released there.
    """
    live = get_live(session, alias)
    if live is None:
        raise NotFoundError(str(alias), hint="nothing was ever released there")
    return live


def etag_of(live: LiveRow | None) -> str:
    """Return the etag of an alias whose live row is *live*."""
    return NO_RELEASE_ETAG if live is None else live.etag


def list_live(session: Session, *, model: ModelName | None = None) -> list[LiveRow]:
    """Return every live row, sorted by name."""
    query = select(LiveTable).order_by(col(LiveTable.model), col(LiveTable.alias))
    if model:
        query = query.where(LiveTable.model == model)
    return [live_to_domain(row) for row in session.exec(query)]


def get_release(session: Session, ref: ReleaseRef) -> Release:
    """Return the release.

    Raises:
        NotFoundError: There is no such release.
    """
    row = find_row(session, ReleaseRow, model=ref.model, number=ref.number)
    return _to_domain(_require(row, ref))


def list_releases(
    session: Session, *, alias: AliasRef | None, offset: int, limit: int
) -> list[Release]:
    """Return releases, newest first."""
    query = select(ReleaseRow).order_by(
        col(ReleaseRow.revision).desc(), col(ReleaseRow.number).desc()
    )
    if alias:
        query = query.where(ReleaseRow.model == alias.model, ReleaseRow.alias == alias.alias)
    return [_to_domain(row) for row in session.exec(query.offset(offset).limit(limit))]


def find_release_at(session: Session, alias: AliasRef, *, at_ms: int) -> Release | None:
    """Return what was live on *alias* at that time, ms since the epoch; None for nothing."""
    row = session.exec(
        select(ReleaseRow)
        .where(
            ReleaseRow.model == alias.model,
            ReleaseRow.alias == alias.alias,
            col(ReleaseRow.started_ms) <= at_ms,
            ~col(ReleaseRow.trial),
        )
        # Revisions order what a clock that was set back does not.
        .order_by(col(ReleaseRow.revision).desc())
        .limit(1)
    ).first()
    return None if row is None else _to_domain(row)


def lock_live(session: Session, aliases: Iterable[AliasRef]) -> None:
    """Take the live rows of *aliases*, in sorted order, before any of them is switched."""
    for alias in sorted(set(aliases)):
        session.exec(
            select(LiveTable)
            .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
            .with_for_update()
        ).one_or_none()


def go_live(
    session: Session,
    *,
    alias: AliasRef,
    release: ReservedRelease,
    bundle: BundleRef,
    kind: ReleaseKind,
    target: ReleaseRef | None,
    restores: ReleaseRef | None,
    cause: Cause,
    expected: ReleaseRef | None,
    feature_project: str = "",
) -> LiveRow:
    """Switch *alias* to *bundle*: the pivot.

    Args:
        session: The caller's transaction.
        alias: What to switch.
        release: The reserved release to begin.
        bundle: What it makes live.
        kind: A promotion soaks; a rollback is being finalized until its planes agree.
        target: What to go back to from it.
        restores: For a rollback, the release whose bundle it makes live again.
        cause: Who and why.
        expected: The release that must be live now; None for none.
        feature_project: Where its features are read; "" for its schema's own project.

    Returns:
        The new live row.

    Raises:
        StaleEtagError: Another release is live.
    """
    row = session.exec(
        select(LiveTable)
        .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
        .with_for_update()
    ).one_or_none()
    found = None if row is None else ReleaseRef(alias.model, row.release)
    if found != expected:
        raise StaleEtagError(resource=str(alias), expected=str(expected), found=str(found))
    state = ReleaseState.SOAKING if kind is ReleaseKind.PROMOTION else ReleaseState.FINALIZING
    if found is not None:
        end_release(session, found, kind=kind, cause=cause)
    if row is not None and kind is ReleaseKind.ROLLBACK:
        end_trials(session, row, cause=cause)
    if row is None:
        row = LiveTable(
            model=alias.model, alias=alias.alias, release=0, epoch=0, state="", bundle=0, cause={}
        )
    revision = allot_revision(session)
    begun = ReleaseRow(
        model=alias.model,
        number=release.ref.number,
        epoch=release.epoch,
        alias=alias.alias,
        bundle=bundle.number,
        kind=kind.value,
        state=state.value,
        target=None if target is None else target.number,
        leaves=None if found is None else found.number,
        leaves_bundle=None if found is None else row.bundle,
        feature_project=feature_project,
        restores=None if restores is None else restores.number,
        revision=revision,
        started_ms=now_ms(),
        cause=codec.cause_to_json(cause),
        pauses=[],
    )
    insert_rows(session, [begun])
    row.release = release.ref.number
    row.epoch = release.epoch
    row.bundle = bundle.number
    row.target = None if target is None else target.number
    row.state = state.value
    row.revision = row.switched_revision = revision
    row.switched_ms = db_now_ms()  # type: ignore[assignment]  # the database puts its own time
    row.cause = codec.cause_to_json(cause)
    session.add(row)
    session.flush()
    live = live_to_domain(row)
    announce(session, live)
    return live


def set_live_state(
    session: Session, alias: AliasRef, *, release: ReleaseRef, state: ReleaseState, cause: Cause
) -> LiveRow:
    """Bring the live release to *state*, in the same way: row, release, event, revision.

    Raises:
        StaleEtagError: *release* is not live any more.
        WrongStateError: It cannot come to *state* from where it is.
    """
    row = session.exec(
        select(LiveTable)
        .where(LiveTable.model == alias.model, LiveTable.alias == alias.alias)
        .with_for_update()
    ).one_or_none()
    if row is None or row.release != release.number:
        found = None if row is None else ReleaseRef(alias.model, row.release)
        raise StaleEtagError(resource=str(alias), expected=str(release), found=str(found))
    ended = release_row(session, release)
    require_transition(release, old=ReleaseState(row.state), new=state)
    row.state = ended.state = state.value
    row.revision = allot_revision(session)
    row.cause = codec.cause_to_json(cause)
    session.add(row)
    session.add(ended)
    session.flush()
    live = live_to_domain(row)
    announce(session, live)
    return live


def live_bundle(session: Session, live: LiveRow) -> LiveBundle:
    """Return what readers are told of *live*."""
    standby = None if live.target is None else get_release(session, live.target)
    return LiveBundle(
        alias=live.alias,
        live=_serving(session, live.bundle, release=live.release, epoch=live.epoch),
        standby=None
        if standby is None
        else _serving(session, standby.bundle, release=standby.ref, epoch=standby.epoch),
        state=live.state,
        revision=live.revision,
        cause=live.cause,
        canary=_on_trial(session, live.canary),
        canary_percent=live.canary_percent,
        shadow=_on_trial(session, live.shadow),
    )


def live_bundles(session: Session) -> list[LiveBundle]:
    """Return the live bundle of every alias, sorted by name: the present state."""
    return [live_bundle(session, live) for live in list_live(session)]


def _serving(
    session: Session, bundle: BundleRef, *, release: ReleaseRef, epoch: int
) -> ServingBundle:
    return ServingBundle.of(
        get_bundle(session, bundle),
        release=release,
        epoch=epoch,
        feature_project=get_release(session, release).feature_project,
    )


def _on_trial(session: Session, ref: ReleaseRef | None) -> ServingBundle | None:
    if ref is None:
        return None
    release = get_release(session, ref)
    return _serving(session, release.bundle, release=ref, epoch=release.epoch)


def announce(session: Session, live: LiveRow) -> None:
    """Append the event of the last change of *live*: what its watchers are told."""
    append_event(
        session,
        at=live.revision,
        kind="LIVE",
        model=live.alias.model,
        alias=live.alias.alias,
        payload={"live": codec.live_to_json(live_bundle(session, live))},
    )


def end_release(session: Session, ref: ReleaseRef, *, kind: ReleaseKind, cause: Cause) -> None:
    """Write that *ref* is not live, or on trial, any more: what ended it says how it is now."""
    row = release_row(session, ref)
    old = ReleaseState(row.state)
    new = ReleaseState.SUPERSEDED if kind is ReleaseKind.PROMOTION else ReleaseState.ROLLED_BACK
    if old in LIVE_STATES or row.trial:
        require_transition(ref, old=old, new=new)
    row.state = new.value
    row.ended_ms = now_ms()
    row.ended_by = codec.cause_to_json(cause)
    session.add(row)


def end_trials(session: Session, row: LiveTable, *, cause: Cause) -> None:
    """End what is on trial beside the live row *row*: all requests are its release's again."""
    model = ModelName(row.model)
    for number in (row.canary, row.shadow):
        if number is not None:
            ref = ReleaseRef(model, number)
            end_release(session, ref, kind=ReleaseKind.ROLLBACK, cause=cause)
    row.canary, row.canary_percent, row.shadow = None, 0, None


def release_row(session: Session, ref: ReleaseRef) -> ReleaseRow:
    """Return the row of *ref*.

    Raises:
        NotFoundError: There is no such release.
    """
    return _require(session.get(ReleaseRow, (ref.model, ref.number)), ref)


def _require(row: ReleaseRow | None, ref: ReleaseRef) -> ReleaseRow:
    if row is None:
        raise NotFoundError(str(ref), hint="`trilock history` lists the releases")
    return row


def live_to_domain(row: LiveTable) -> LiveRow:
    """Return the value of *row*."""
    model = ModelName(row.model)
    return LiveRow(
        alias=AliasRef(model, AliasName(row.alias)),
        release=ReleaseRef(model, row.release),
        epoch=row.epoch,
        state=ReleaseState(row.state),
        bundle=BundleRef(model, row.bundle),
        target=None if row.target is None else ReleaseRef(model, row.target),
        revision=row.revision,
        switched_revision=row.switched_revision,
        cause=codec.cause_from_json(row.cause),
        canary=None if row.canary is None else ReleaseRef(model, row.canary),
        canary_percent=row.canary_percent,
        shadow=None if row.shadow is None else ReleaseRef(model, row.shadow),
    )


def _to_domain(row: ReleaseRow) -> Release:
    model = ModelName(row.model)

    def ref(number: int | None) -> ReleaseRef | None:
        return None if number is None else ReleaseRef(model, number)

    return Release(
        ref=ReleaseRef(model, row.number),
        epoch=row.epoch,
        alias=AliasRef(model, AliasName(row.alias)),
        bundle=BundleRef(model, row.bundle),
        kind=ReleaseKind(row.kind),
        state=ReleaseState(row.state),
        target=ref(row.target),
        leaves=ref(row.leaves),
        leaves_bundle=None if row.leaves_bundle is None else BundleRef(model, row.leaves_bundle),
        feature_project=row.feature_project,
        restores=ref(row.restores),
        revision=row.revision,
        started=to_datetime(row.started_ms),
        ended=to_optional_datetime(row.ended_ms),
        cause=codec.cause_from_json(row.cause),
        ended_by=None if row.ended_by is None else codec.cause_from_json(row.ended_by),
        acknowledged_ms=row.acknowledged_ms,
        acknowledged=row.acknowledged,
        pauses=tuple(codec.pause_from_json(pause) for pause in row.pauses),
    )
