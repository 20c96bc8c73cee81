"""Make the rollback target live again. Hard to stop, and boring."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.server.checks.sharing import broken_by, mirror_scope
from trilock.server.domain.errors import (
    BusyError,
    InvalidRequestError,
    StaleEtagError,
    TrilockError,
)
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, Plan
from trilock.server.domain.release import Cause, LiveRow, Release, ReleaseKind, ReleaseState
from trilock.server.operations.history import (
    find_canary_end,
    find_rollback,
    find_rollback_to,
    lock_rollbacks,
    restored_bundle,
)
from trilock.server.operations.steps.deploy_features import forbid_retiring
from trilock.server.planning.plan import Surroundings
from trilock.server.planning.rollback import plan_rollback
from trilock.server.planning.trial import plan_end_trial
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import now_ms
from trilock.server.store.releases import (
    get_release,
    require_live,
    reserve_release,
)
from trilock.server.store.requests import request_hash
from trilock.server.usecases.companions import companions_that_stay
from trilock.server.usecases.rollback_target import RollbackTarget, find_target
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings

_LOOK_SECONDS: Final = 1.0
"""How long a plan waits to be told what a rollback breaks for other models."""

_TWICE_MS: Final = 15 * 60 * 1000
"""A rollback within this time of another one is the same one, pressed twice or by two people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRollback:
    """What a rollback would do."""

    plan: Plan
    leaves: Release
    target: RollbackTarget

    @property
    def ends_trial(self) -> bool:
        """Whether what it leaves is on trial: it makes no release, the live one serves on."""
        return self.leaves.state in {ReleaseState.CANARY, ReleaseState.SHADOW}

    @property
    def changes_answers(self) -> bool:
        """Whether readers are given answers of another bundle: a shadow gives none."""
        return self.leaves.state is not ReleaseState.SHADOW


class _OvertakenError(Exception):
    """What was to be taken back as a canary has gone live meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedRollback:
    """The operation, and whether somebody was faster."""

    operation: Operation | None
    already_done: bool


def plan_roll_back(
    runtime: Runtime,
    *,
    alias: AliasRef,
    to_bundle: BundleRef | None,
    leaves: ReleaseRef | None = None,
    alone: bool = True,
) -> PlannedRollback:
    """Return what rolling back would do now.

    While a canary runs, it is the canary that is taken back: the live release was there
    before, and serves on. Who wants that one back, too, names it in *leaves*, or says
    with *to_bundle* where else to go.

    What it means for others is told if it goes back *alone*.

    Raises:
        InvalidRequestError: *leaves* is on trial, and *to_bundle* is not what is live.
        NotFoundError: Nothing was ever released there.
        NoSafeTargetError: There is nothing to go back to.
    """
    with runtime.database.read() as session:
        live = require_live(session, alias)
        trial = _trial(live, leaves=leaves, to_bundle=to_bundle)
        if trial is not None:
            return _plan_end_trial(
                surroundings(runtime, session, alias),
                live=get_release(session, live.release),
                trial=get_release(session, trial),
            )
        left = get_release(session, live.release)
        around = surroundings(runtime, session, alias)
        stays = companions_that_stay(session, live.release) if alone else []
    target = find_target(runtime, live, to_bundle=to_bundle)
    plan = plan_rollback(
        around,
        live=live,
        bundle=target.bundle,
        restores=target.release,
        warnings=(
            *target.warnings,
            *stays,
            *(_shared_warnings(runtime, alias, target.bundle) if alone else []),
        ),
    )
    return PlannedRollback(plan=plan, leaves=left, target=target)


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

    It takes the alias from whatever works on it, for what readers are served cannot wait.
    The end of a shadow takes nothing from anybody: it gave no answers, so nothing
    that works on the alias has to give way, and since nothing rests on it, it need not wait
    for a promotion that takes hours either. Both come to their ends.

    Pressing twice does nothing twice: when *leaves* was left by a rollback, or was
    itself made by one less than 15 minutes ago, that one's operation is returned.
    Who wants to go further back by then says where, with *to_bundle*.

    Raises:
        InvalidRequestError: *leaves* is on trial, and *to_bundle* is not what is live.
        NotFoundError: Nothing was ever released there.
        NoSafeTargetError: There is nothing to go back to.
        StaleEtagError: *leaves* is not live, and it was no rollback to *to_bundle* that
            ended it.
        BusyError: A rollback to another bundle than *to_bundle* is under way, or the
            target's feature project, which nothing needed, is being removed.
    """
    content = request_hash(
        "roll_back", alias=str(alias), leaves=str(leaves), to_bundle=str(to_bundle)
    )
    if leaves.model != alias.model:
        raise InvalidRequestError([("leaves", f"{leaves} is not of model {alias.model!r}")])

    press = _Press(
        runtime=runtime,
        alias=alias,
        leaves=leaves,
        to_bundle=to_bundle,
        cause=Cause(principal=principal, reason=reason, incident=incident),
        request_id=request_id,
        content=content,
        clock=clock,
    )
    try:
        return press.act(validate_only=validate_only)
    except _OvertakenError:
        # It is live now, and goes live once only.
        return press.act(validate_only=validate_only)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Press:
    """One press of the button, until it is answered."""

    runtime: Runtime
    alias: AliasRef
    leaves: ReleaseRef
    to_bundle: BundleRef | None
    cause: Cause
    request_id: str
    content: str
    clock: Callable[[], int]

    def act(self, *, validate_only: bool) -> StartedRollback:
        """Plan and start it, unless there is nothing to start any more.

        Raises:
            _OvertakenError: What was planned is not what is to be done now.
        """
        with self.runtime.database.read() as session:
            answered = self._answer(session)
        if answered is not None:
            return answered
        try:
            planned = plan_roll_back(
                self.runtime, alias=self.alias, to_bundle=self.to_bundle, leaves=self.leaves
            )
        except TrilockError:
            # There may be nothing to go back to because somebody was faster.
            with self.runtime.database.read() as session:
                answered = self._answer(session)
            if answered is not None:
                return answered
            raise
        if validate_only:
            return StartedRollback(operation=None, already_done=False)
        with self.runtime.database.write() as session:
            return self._start(session, planned)

    def _answer(self, session: Session) -> StartedRollback | None:
        """Return the answer, if there is nothing to start any more."""
        known = self.runtime.journal.find(
            session, request_id=self.request_id, request_hash=self.content
        )
        if known is not None:
            return StartedRollback(operation=known, already_done=False)
        done = _already_done(
            session, self.alias, leaves=self.leaves, to_bundle=self.to_bundle, now=self.clock()
        )
        return None if done is None else StartedRollback(operation=done, already_done=True)

    def _start(self, session: Session, planned: PlannedRollback) -> StartedRollback:
        journal = self.runtime.journal
        journal.claim(session, request_id=self.request_id, request_hash=self.content)
        # Of two who press at once one must see what the other has started.
        lock_rollbacks(session, self.alias)
        answered = self._answer(session)
        if answered is not None:
            return answered
        live = require_live(session, self.alias)
        older = planned.target.release
        if older is not None and older.ref not in {live.release, live.target}:
            forbid_retiring(session, get_bundle(session, older.bundle).feature_schema)
        release = None if planned.ends_trial else reserve_release(session, self.alias.model)
        operation = journal.submit(
            session,
            planned.plan if release is None else planned.plan.with_epoch(release.epoch),
            request_id=self.request_id,
            request_hash=self.content,
            cause=self.cause,
            release=None if release is None else release.ref,
            # The mirror's too: whoever goes live on what it brought is turned back.
            scopes=((str(self.alias), mirror_scope(self.alias)) if planned.changes_answers else ()),
            preempts=planned.changes_answers,
        )
        _require_not_overtaken(session, planned)
        return StartedRollback(operation=operation, already_done=False)


def _require_not_overtaken(session: Session, planned: PlannedRollback) -> None:
    """Do nothing unless what was to be taken back from its trial is live by now.

    Called when whatever else worked on the alias, an advance perhaps, is told to turn back.
    """
    session.expire_all()
    leaves = planned.leaves
    if planned.ends_trial and require_live(session, leaves.alias).release == leaves.ref:
        raise _OvertakenError


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
    if done is not None and to_bundle in {None, restored_bundle(done, alias=alias)}:
        return done
    if leaves not in {live.release, *live.trials}:
        raise StaleEtagError(resource=str(alias), expected=str(leaves), found=str(live.release))
    if done is not None:
        raise BusyError(
            scope=str(alias),
            operation=done.name,
            doing=f"rolls it back to {restored_bundle(done, alias=alias)}, not to {to_bundle}",
        )
    release = get_release(session, leaves)
    if to_bundle is None and leaves == live.release:
        ended = find_canary_end(session, alias, since_ms=now - _TWICE_MS)
        # Whoever pressed it saw the canary, which is gone by now; what went live since has
        # nothing to do with it.
        if (
            ended is not None
            and live.canary is None
            and (ended.pivot_revision or 0) > release.revision
        ):
            return ended
    if to_bundle is not None or release.kind is not ReleaseKind.ROLLBACK:
        return None
    is_new = now - round(release.started.timestamp() * 1000) < _TWICE_MS
    return find_rollback_to(session, live.release) if is_new else None


def _trial(
    live: LiveRow, *, leaves: ReleaseRef | None, to_bundle: BundleRef | None
) -> ReleaseRef | None:
    """Return what on trial is to be taken back; None if the live release is to be left."""
    to_live = to_bundle in {None, live.bundle}
    if leaves is None:
        return live.canary if to_live else None
    if leaves in live.trials and not to_live:
        problem = (
            f"{leaves} is on trial: taken back, {live.bundle} serves; name the live release, "
            f"{live.release}, to go from both to {to_bundle}"
        )
        raise InvalidRequestError([("to_bundle", problem)])
    return leaves if leaves in live.trials else None


def _plan_end_trial(around: Surroundings, *, live: Release, trial: Release) -> PlannedRollback:
    if around.live is None:
        raise ValueError(f"{trial.ref} is on trial beside nothing")
    return PlannedRollback(
        plan=plan_end_trial(around, live=around.live, trial=trial.ref),
        leaves=trial,
        target=RollbackTarget(
            bundle=live.bundle,
            release=live,
            why=f"it is live, and {trial.ref} is on trial beside it",
            passed_over=(),
            warnings=(),
        ),
    )


def _shared_warnings(runtime: Runtime, alias: AliasRef, bundle: BundleRef) -> list[str]:
    """Return what it breaks for other models, if that can be told at once."""
    found: list[str] = []

    def look() -> None:
        # Whatever goes wrong here, a rollback is not stopped by it.
        with contextlib.suppress(Exception):
            found.extend(
                broken_by(runtime.database, runtime.connections, alias=alias, bundle=bundle)
            )

    if runtime.connections.mirror_readers(alias):
        looking = threading.Thread(target=look, name="shared features", daemon=True)
        looking.start()
        looking.join(_LOOK_SECONDS)
    return list(found)
