"""Make the rollback target live again. Hard to stop, and boring."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.server.checks.readiness import ReadinessState, readiness
from trilock.server.domain.errors import (
    BusyError,
    InvalidRequestError,
    NoSafeTargetError,
    NotFoundError,
    StaleEtagError,
    TrilockError,
)
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, Plan
from trilock.server.domain.release import Cause, LiveRow, Release, ReleaseKind, ReleaseState
from trilock.server.operations.history import (
    find_rollback,
    find_rollback_to,
    lock_rollbacks,
    restored_bundle,
)
from trilock.server.planning.planner import plan_rollback
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import now_ms
from trilock.server.store.holds import get_hold
from trilock.server.store.releases import (
    get_release,
    list_releases,
    require_live,
    reserve_release,
)
from trilock.server.store.requests import request_hash
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings

_LOOK_SECONDS: Final = 1.0
"""How long a rollback waits for outside systems to say that a target is there (I2)."""

_TWICE_MS: Final = 15 * 60 * 1000
"""A rollback within this time of another one is the same one, pressed twice or by two people."""

_HISTORY: Final = 100
"""How many releases back a target is searched in, when the fixed one is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRollback:
    """What a rollback would do."""

    plan: Plan
    leaves: Release
    restores: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRollback:
    """The operation, and whether somebody was faster."""

    operation: Operation | None
    already_done: bool


def plan_roll_back(
    runtime: Runtime, *, alias: AliasRef, to_bundle: BundleRef | None
) -> PlannedRollback:
    """Return what rolling back would do now.

    Raises:
        NotFoundError: Nothing was ever released there.
        NoSafeTargetError: There is nothing to go back to.
    """
    with runtime.database.read() as session:
        live = require_live(session, alias)
        leaves = get_release(session, live.release)
        candidates = list(_candidates(session, live, to_bundle=to_bundle))
    restores, warnings = _choose(runtime, alias, candidates)
    with runtime.database.read() as session:
        around = surroundings(runtime, session, alias)
    plan = plan_rollback(around, live=live, restores=restores, warnings=warnings)
    return PlannedRollback(plan=plan, leaves=leaves, restores=restores)


def roll_back(
    runtime: Runtime,
    *,
    alias: AliasRef,
    leaves: ReleaseRef,
    to_bundle: BundleRef | None,
    reason: str,
    incident: str,
    request_id: str,
    validate_only: bool,
    principal: str,
    clock: Callable[[], int] = now_ms,
) -> StartedRollback:
    """Start the operation that leaves *leaves* for its target.

    Pressing twice does nothing twice: when *leaves* was left by a rollback, or was
    itself made by one less than 15 minutes ago, that one's operation is returned.
    Who wants to go further back by then says where, with *to_bundle*.

    Raises:
        NotFoundError: Nothing was ever released there.
        NoSafeTargetError: There is nothing to go back to.
        StaleEtagError: *leaves* is not live, and it was no rollback to *to_bundle* that
            ended it.
        BusyError: A rollback to another bundle than *to_bundle* is under way.
    """
    content = request_hash(
        "roll_back", alias=str(alias), leaves=str(leaves), to_bundle=str(to_bundle)
    )
    if leaves.model != alias.model:
        raise InvalidRequestError([("leaves", f"{leaves} is not of model {alias.model!r}")])

    def answer(session: Session) -> StartedRollback | None:
        """Return the answer, if there is nothing to start any more."""
        known = runtime.journal.find(session, request_id=request_id, request_hash=content)
        if known is not None:
            return StartedRollback(operation=known, already_done=False)
        done = _already_done(session, alias, leaves=leaves, to_bundle=to_bundle, now=clock())
        return None if done is None else StartedRollback(operation=done, already_done=True)

    with runtime.database.read() as session:
        answered = answer(session)
    if answered is not None:
        return answered
    try:
        planned = plan_roll_back(runtime, alias=alias, to_bundle=to_bundle)
    except TrilockError:
        # There may be nothing to go back to because somebody was faster.
        with runtime.database.read() as session:
            answered = answer(session)
        if answered is not None:
            return answered
        raise
    if validate_only:
        return StartedRollback(operation=None, already_done=False)
    with runtime.database.write() as session:
        runtime.journal.claim(session, request_id=request_id, request_hash=content)
        # Of two who press at once one must see what the other has started.
        lock_rollbacks(session, alias)
        answered = answer(session)
        if answered is not None:
            return answered
        release = reserve_release(session, alias.model)
        operation = runtime.journal.submit(
            session,
            planned.plan.with_epoch(release.epoch),
            request_id=request_id,
            request_hash=content,
            cause=Cause(principal=principal, reason=reason, incident=incident),
            release=release.ref,
            scopes=(str(alias),),
            preempts=True,
        )
    return StartedRollback(operation=operation, already_done=False)


def _already_done(
    session: Session,
    alias: AliasRef,
    *,
    leaves: ReleaseRef,
    to_bundle: BundleRef | None,
    now: int,
) -> Operation | None:
    """Return the operation of the rollback that did, or does, what is asked; None for none."""
    live = require_live(session, alias)
    done = find_rollback(session, alias, leaves=leaves)
    if done is not None and to_bundle in {None, restored_bundle(done)}:
        return done
    if live.release != leaves:
        raise StaleEtagError(resource=str(alias), expected=str(leaves), found=str(live.release))
    if done is not None:
        raise BusyError(
            scope=str(alias),
            operation=done.name,
            doing=f"rolls it back to {restored_bundle(done)}, not to {to_bundle}",
        )
    release = get_release(session, live.release)
    if to_bundle is not None or release.kind is not ReleaseKind.ROLLBACK:
        return None
    is_new = now - round(release.started.timestamp() * 1000) < _TWICE_MS
    return find_rollback_to(session, live.release) if is_new else None


def _candidates(
    session: Session, live: LiveRow, *, to_bundle: BundleRef | None
) -> Iterator[Release]:
    """Yield what could be restored, the best first: the fixed target, then older ones.

    Only releases that were finalized once: what never was, was never trusted.
    """
    seen: set[BundleRef] = {live.bundle}
    fixed = [] if live.target is None else [get_release(session, live.target)]
    older = [
        release
        for release in list_releases(session, alias=live.alias, offset=0, limit=_HISTORY)
        if release.ref.number < live.release.number
    ]
    for release in [*fixed, *older]:
        if to_bundle is not None and release.bundle != to_bundle:
            continue
        trusted = release.state is ReleaseState.SUPERSEDED
        if not trusted or release.bundle in seen or get_hold(session, release.bundle) is not None:
            continue
        seen.add(release.bundle)
        yield release
    if to_bundle is not None and to_bundle not in seen:
        get_bundle(session, to_bundle)  # a bundle that does not exist is another mistake
        raise NotFoundError(
            f"a finalized release of {to_bundle} on {live.alias}",
            hint="`trilock history` lists what was live; any other bundle has to be promoted",
        )


def _choose(
    runtime: Runtime, alias: AliasRef, candidates: list[Release]
) -> tuple[Release, list[str]]:
    """Return the first candidate that is not known to be gone, and what to warn of."""
    passed_over: list[str] = []
    for release in candidates:
        with runtime.database.read() as session:
            bundle = get_bundle(session, release.bundle)
        found = readiness(runtime.connections, bundle, seconds=_LOOK_SECONDS)
        if found.state is ReadinessState.NOT_READY:
            passed_over.append(f"{release.bundle}: {'; '.join(found.problems)}")
            continue
        warnings = [f"passed over {why}" for why in passed_over]
        if found.state is ReadinessState.UNPROVEN:
            warnings.append(f"{release.bundle} is UNPROVEN: {'; '.join(found.problems)}")
        return release, warnings
    raise NoSafeTargetError(alias=str(alias), reasons=passed_over)
