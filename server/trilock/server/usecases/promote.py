"""Make a bundle live: plan it, and run the plan if nothing forbids it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from trilock.compat import Report
from trilock.server.checks.compatibility import Judge
from trilock.server.checks.readiness import ReadinessState, readiness
from trilock.server.checks.sharing import mirror_scopes, require_tables_unshared
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    IncompatibleError,
    InvalidRequestError,
    NotReadyError,
    StaleEtagError,
    StalePlanError,
    TrilockError,
    UndecidableError,
    WrongStateError,
)
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Operation, OperationKind, Plan
from trilock.server.domain.ports import Window
from trilock.server.domain.release import ALONE, Cause, ReleaseState, Together
from trilock.server.operations.catalog import steps
from trilock.server.operations.gates.bundle_fits import BundleFits
from trilock.server.operations.pace import Pace, pace_of
from trilock.server.operations.step import Gate
from trilock.server.planning.feature_window import default_window
from trilock.server.planning.outlook import Change, changes
from trilock.server.planning.plan import Surroundings
from trilock.server.planning.promotion import plan_promotion
from trilock.server.planning.trial import Trial
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import get_release, reserve_release
from trilock.server.store.requests import request_hash
from trilock.server.usecases.middle_states import Middle, middle_of_promotion
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings

_READINESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPromotion:
    """A plan, the verdict on what it makes live, and whether it would be refused."""

    plan: Plan
    bundle: Bundle
    around: Surroundings
    report: Report | None
    """None if the bundle could not be judged; the refusal says why."""
    refusal: TrilockError | None
    changes: tuple[Change, ...]
    pace: Pace | None
    middle: Middle | None
    """What readers are served between the two bundles; None side by side."""


def plan_promote(
    runtime: Runtime,
    *,
    alias: AliasRef,
    bundle: BundleRef,
    window: Window | None,
    accept_unready: str = "",
    together: Together = ALONE,
    trial: Trial | None = None,
    accept_window: str = "",
) -> PlannedPromotion:
    """Return what promoting would do, and the first reason why it would be refused.

    What goes live elsewhere with the same pivot, *together*, is judged as if it were live.

    Raises:
        InvalidRequestError: The bundle is another model's.
        NotFoundError: There is no such bundle.
        UnknownConnectionError: The settings have no such model.
    """
    if bundle.model != alias.model:
        raise InvalidRequestError([("bundle", f"{bundle} is not of model {alias.model!r}")])
    with runtime.database.read() as session:
        recorded = get_bundle(session, bundle)
        around = surroundings(runtime, session, alias)
    planes = runtime.connections.planes(alias.model)
    window_is_default = window is None
    if window is None:
        window = default_window(planes.features.describe(recorded.feature_schema.capture))
    with runtime.database.read() as session:
        before = None if around.live is None else get_bundle(session, around.live.bundle)
    between = middle_of_promotion(runtime, around, before=before, after=recorded)
    plan = plan_promotion(
        around,
        bundle=recorded,
        window=window,
        window_is_default=window_is_default,
        together=together,
        trial=trial,
        way=None if between is None else between.way,
        reader_cache=planes.reader_cache,
    )
    report, refusal = _gates(
        runtime,
        plan,
        around=around,
        bundle=recorded,
        accept_unready=accept_unready,
        trial=trial,
    )
    if refusal is None and between is not None:
        with _collecting() as refusals:
            between.require_accepted(alias, why=accept_window)
        refusal = next(iter(refusals), None)
    with runtime.database.read() as session:
        pace = pace_of(session, alias, kind=OperationKind.PROMOTE)
    return PlannedPromotion(
        plan=plan,
        bundle=recorded,
        around=around,
        report=report,
        refusal=refusal,
        changes=changes(before, recorded),
        pace=pace,
        middle=between,
    )


def promote(
    runtime: Runtime,
    *,
    alias: AliasRef,
    bundle: BundleRef,
    window: Window | None,
    plan_id: str,
    reason: str,
    accept_unready: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
    deadline_seconds: float | None = None,
    trial: Trial | None = None,
    accept_window: str = "",
    content: str = "",
) -> Operation | None:
    """Start the operation that makes *bundle* live on *alias*, or puts it on *trial* there.

    With *deadline_seconds* it turns back by itself if it is not past its pivot by then.
    *content* is the digest of the request if it asked for something else than a promotion.

    Returns:
        The operation, which goes on by itself; None for *validate_only*.

    Raises:
        TrilockError: Any refusal that release_service.proto lists under Promote.
    """
    content = content or request_hash(
        "promote",
        alias=str(alias),
        bundle=str(bundle),
        window=str(window),
        plan=plan_id,
        deadline=deadline_seconds,
        trial=None if trial is None else trial.percent,
    )

    def started() -> Operation | None:
        with runtime.database.read() as session:
            return runtime.journal.find(session, request_id=request_id, request_hash=content)

    if (known := started()) is not None:
        return known
    try:
        planned = plan_promote(
            runtime,
            alias=alias,
            bundle=bundle,
            window=window,
            accept_unready=accept_unready,
            trial=trial,
            accept_window=accept_window,
        )
        _require_allowed(planned, etag=etag, plan_id=plan_id)
    except TrilockError:
        # What stands against it may be what this very request did meanwhile.
        if (known := started()) is not None:
            return known
        raise
    if validate_only:
        return None
    why = with_accepted(reason, unready=accept_unready, window=accept_window)
    with runtime.database.write() as session:
        known = runtime.journal.claim(session, request_id=request_id, request_hash=content)
        if known is not None:
            return known
        around = surroundings(runtime, session, alias)
        if around.etag != planned.around.etag:
            raise StaleEtagError(
                resource=str(alias), expected=planned.around.etag, found=around.etag
            )
        release = reserve_release(session, alias.model)
        return runtime.journal.submit(
            session,
            planned.plan.with_epoch(release.epoch),
            request_id=request_id,
            request_hash=content,
            cause=Cause(principal=principal, reason=why),
            release=release.ref,
            scopes=(str(alias), *mirror_scopes(runtime.connections, alias)),
            deadline_seconds=deadline_seconds,
        )


def with_accepted(reason: str, **accepted: str) -> str:
    """Return *reason* with what was accepted, and why: it stays in the history."""
    notes = [f"(accepted {what}: {why})" for what, why in accepted.items() if why]
    return " ".join(part for part in (reason, *notes) if part)


def _require_allowed(planned: PlannedPromotion, *, etag: str, plan_id: str) -> None:
    """Do nothing if the world is as the caller saw it, and nothing forbids the promotion."""
    around = planned.around
    if etag and etag != around.etag:
        raise StaleEtagError(resource=str(around.alias), expected=etag, found=around.etag)
    if planned.refusal is not None:
        raise planned.refusal
    if plan_id and plan_id != planned.plan.id:
        raise StalePlanError(plan=plan_id, now=planned.plan.id)


def _gates(
    runtime: Runtime,
    plan: Plan,
    *,
    around: Surroundings,
    bundle: Bundle,
    accept_unready: str,
    trial: Trial | None,
) -> tuple[Report | None, TrilockError | None]:
    """Return the report and the first refusal: the gates of the plan, and two of today only.

    What is live may change before the pivot only by what takes the operation's lock;
    and what it replaces is proven before it begins, not while readers wait.
    """
    gates: list[Callable[[], Report | None]] = [
        lambda: _require_final(around, bundle),
        lambda: _require_room(around, trial),
        lambda: _require_unshared(runtime, around, bundle),
        *_gates_of(runtime, plan),
        lambda: require_ready(runtime, around, accept_unready=accept_unready),
    ]
    report: Report | None = None
    for gate in gates:
        with _collecting() as refusals:
            report = gate() or report
        if refusals:
            (refusal,) = refusals
            if isinstance(refusal, IncompatibleError | UndecidableError):
                report = refusal.report
            return report, refusal
    return report, None


def _gates_of(runtime: Runtime, plan: Plan) -> Iterator[Callable[[], Report | None]]:
    """Yield the questions that the pivot will ask again."""
    parts = steps(runtime.database, runtime.connections)
    for planned in plan.steps:
        match parts[planned.step]:
            case BundleFits() as gate:
                yield partial(gate.report, planned.args)
            case Gate() as gate:
                yield partial(gate.require, planned.args)
            case _:
                pass


@contextmanager
def _collecting() -> Iterator[list[TrilockError]]:
    refusals: list[TrilockError] = []
    try:
        yield refusals
    except TrilockError as error:
        refusals.append(error)


def _require_final(around: Surroundings, bundle: Bundle) -> None:
    if around.live is None:
        return
    if around.live.bundle == bundle.ref:
        raise WrongStateError(resource=str(bundle.ref), state="live already", verb="promoted")
    if around.live.state is not ReleaseState.FINALIZED:
        raise WrongStateError(
            resource=str(around.live.release),
            state=around.live.state,
            verb="replaced",
            hint=(
                "`trilock finalize` it or `trilock rollback` first"
                if around.live.state is ReleaseState.SOAKING
                else "its rows are on their way into their tables: `trilock status` says what waits"
            ),
        )


def _require_room(around: Surroundings, trial: Trial | None) -> None:
    """Do nothing if what is on trial leaves room for this: one canary, one shadow."""
    live = around.live
    if live is None:
        if trial is not None:
            raise WrongStateError(
                resource=str(around.alias),
                state="without a live release",
                verb="tried beside",
                hint="promote it",
            )
        return
    if trial is not None and around.feature_project:
        raise WrongStateError(
            resource=str(around.alias),
            state=f"read in place from {around.feature_project}",
            verb="tried on",
            hint="side by side only: there is no second project for it to read",
        )
    there = live.shadow if trial is not None and not trial.percent else live.canary
    if there is not None:
        raise WrongStateError(
            resource=str(there),
            state="on trial",
            verb="passed over",
            hint="`trilock advance 100` it, or take it back with `trilock rollback`",
        )


def _require_unshared(runtime: Runtime, around: Surroundings, bundle: Bundle) -> None:
    with runtime.database.read() as session:
        require_tables_unshared(session, runtime.connections, alias=around.alias, bundle=bundle)


def require_ready(runtime: Runtime, around: Surroundings, *, accept_unready: str) -> None:
    """Do nothing if what is live now could be restored: it becomes the rollback target.

    Raises:
        NotReadyError: It could not, and nobody accepts that.
    """
    if around.live is None or accept_unready:
        return
    with runtime.database.read() as session:
        target = get_bundle(session, get_release(session, around.live.release).bundle)
    judge = Judge(runtime.database, runtime.connections)
    found = readiness(
        runtime.connections,
        target,
        seconds=_READINESS_SECONDS,
        rebuild=True,
        fresh=True,
        check=lambda _planes, one: judge.unfit(one, alias=around.alias),
    )
    if found.state is not ReadinessState.READY:
        lost = (f"a rebuild would miss: {problem}" for problem in found.rebuild_problems)
        raise NotReadyError(
            resource=f"{target.ref}, which would be the rollback target",
            problems=[*found.problems, *lost],
        )
