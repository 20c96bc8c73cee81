"""Which bundle a rollback goes to, why that one, and why no newer one.

The best first: the target that was fixed at the promotion, then older releases
that were final once, then the fallback bundle. What is known to be gone, on
hold or unfit is passed over, with the reason; what cannot be looked at within
a second is taken, and said to be UNPROVEN (I2): a rollback waits for nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlmodel import Session

from trilock.server.checks.compatibility import Judge
from trilock.server.checks.readiness import ReadinessState, readiness
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import BusyError, NoSafeTargetError, NotFoundError
from trilock.server.domain.names import BundleRef
from trilock.server.domain.release import LiveRow, Release, ReleaseState
from trilock.server.operations.steps.deploy_features import forbid_retiring
from trilock.server.store.bundles import get_bundle
from trilock.server.store.fallbacks import Fallback, get_fallback
from trilock.server.store.holds import get_hold
from trilock.server.store.readiness import get_readiness
from trilock.server.store.releases import get_release, list_releases
from trilock.server.usecases.runtime import Runtime

_LOOK_SECONDS: Final = 1.0
"""How long a rollback waits for outside systems to say that a target is there."""

_HISTORY: Final = 100
"""How many releases back a target is searched in, when the fixed one is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A bundle that came before the chosen one, and why it is not taken."""

    bundle: BundleRef
    reason: str

    def __str__(self) -> str:
        """`{bundle}: {reason}`."""
        return f"{self.bundle}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTarget:
    """What a rollback makes live."""

    bundle: BundleRef
    release: Release | None
    """The release whose bundle it is; None for a fallback bundle."""
    why: str
    """Why this one, as a clause: `it was fixed as the target when ...`."""
    passed_over: tuple[PassedOver, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    recorded: Bundle
    release: Release | None
    why: str
    fixed: bool = False
    """Whether it was proven before the promotion: only what is gone since counts against it."""
    proof: str = ""
    """What the last look at it found, for when there is no answer now."""
    against: str = ""
    """Why it is no target, as far as trilock's own rows say; "" for nothing."""

    @property
    def bundle(self) -> BundleRef:
        """Its name."""
        return self.recorded.ref


def find_target(runtime: Runtime, live: LiveRow, *, to_bundle: BundleRef | None) -> RollbackTarget:
    """Return where a rollback of *live* goes.

    Args:
        runtime: What to work on.
        live: What is left.
        to_bundle: What was asked for; None for the best there is.

    Raises:
        NotFoundError: *to_bundle* was never final on the alias, and is not its fallback bundle.
        NoSafeTargetError: There is nothing to go back to; every reason is told.
    """
    passed_over: list[PassedOver] = []
    for candidate in _in_order(runtime, live, to_bundle=to_bundle):
        against, warnings = _look(runtime, live, candidate)
        if against:
            passed_over.append(PassedOver(bundle=candidate.bundle, reason=against))
            continue
        return RollbackTarget(
            bundle=candidate.bundle,
            release=candidate.release,
            why=candidate.why,
            passed_over=tuple(passed_over),
            warnings=warnings,
        )
    raise NoSafeTargetError(alias=str(live.alias), reasons=[str(one) for one in passed_over])


def _in_order(
    runtime: Runtime, live: LiveRow, *, to_bundle: BundleRef | None
) -> Iterator[_Candidate]:
    """Yield the candidates, the best first, with no session open meanwhile.

    The first one is nearly always taken: history is read only if it is not.
    """
    with runtime.database.read() as session:
        first = next(_candidates(session, live, to_bundle=to_bundle), None)
    if first is None:
        return
    yield first
    with runtime.database.read() as session:
        others = list(islice(_candidates(session, live, to_bundle=to_bundle), 1, None))
    yield from others


def _look(runtime: Runtime, live: LiveRow, candidate: _Candidate) -> tuple[str, tuple[str, ...]]:
    """Return what stands against *candidate*, and what to warn of."""
    if candidate.against:
        return candidate.against, ()
    judge = Judge(runtime.database, runtime.connections)
    found = readiness(
        runtime.connections,
        candidate.recorded,
        seconds=_LOOK_SECONDS,
        check=None if candidate.fixed else lambda _planes, one: judge.unfit(one, alias=live.alias),
    )
    problems = "; ".join(found.problems)
    if found.state is ReadinessState.NOT_READY:
        return problems, ()
    if found.state is ReadinessState.UNPROVEN:
        proof = _proof(runtime, live) if candidate.fixed else candidate.proof
        return "", (f"{candidate.bundle} is UNPROVEN: {problems}{proof}",)
    return "", ()


def _candidates(
    session: Session, live: LiveRow, *, to_bundle: BundleRef | None
) -> Iterator[_Candidate]:
    """Yield what could be restored, and what could not be, the best first."""
    told: set[BundleRef] = {live.bundle}
    for release in _targets(session, live):
        if release.bundle in told or to_bundle not in {None, release.bundle}:
            continue
        told.add(release.bundle)
        yield _of_release(session, live, release, asked=to_bundle is not None)
    fallback = get_fallback(session, live.alias)
    if (
        fallback is not None
        and fallback.bundle not in told
        and to_bundle in {None, fallback.bundle}
    ):
        told.add(fallback.bundle)
        yield _of_fallback(session, fallback)
    if to_bundle is not None and (to_bundle not in told or to_bundle == live.bundle):
        get_bundle(session, to_bundle)  # a bundle that does not exist is another mistake
        raise NotFoundError(
            f"a finalized release of {to_bundle} on {live.alias}",
            hint="`trilock history` lists what was live; any other bundle has to be promoted",
        )


def _targets(session: Session, live: LiveRow) -> Iterator[Release]:
    """Yield the fixed target, then every older release, newest first.

    A bundle that was rolled back here may have been final before, or since: of such a
    one only the release is told that was final, and was not rolled back.
    """
    fixed = [] if live.target is None else [get_release(session, live.target)]
    if fixed and fixed[0].state is ReleaseState.SUPERSEDED:
        yield fixed[0]
    older = list_releases(session, alias=live.alias, offset=0, limit=_HISTORY)
    every = [*fixed, *(one for one in older if one.ref.number < live.release.number)]
    trusted: dict[BundleRef, Release] = {}
    for release in every:
        if release.state is ReleaseState.SUPERSEDED:
            trusted.setdefault(release.bundle, release)
    yield from (one for one in every if trusted.get(one.bundle, one) == one)


def _of_release(session: Session, live: LiveRow, release: Release, *, asked: bool) -> _Candidate:
    recorded = get_bundle(session, release.bundle)
    fixed = release.ref == live.target
    # The fixed target's project is never being removed: it is needed.
    retiring = "" if fixed else _retiring(session, recorded)
    return _Candidate(
        recorded=recorded,
        release=release,
        why=_why(live, release, asked=asked),
        fixed=fixed,
        against=_against(session, release) or retiring,
    )


def _why(live: LiveRow, release: Release, *, asked: bool) -> str:
    if asked:
        return "it was asked for"
    if release.ref == live.target:
        return f"it was fixed as the target when {live.release} went live"
    return f"it is the newest release before {live.release} that can be restored"


def _against(session: Session, release: Release) -> str:
    if release.state is not ReleaseState.SUPERSEDED:
        by = "" if release.ended_by is None else f" by {release.ended_by.principal}"
        return f"{release.ref} was rolled back{by}"
    return _held(session, release.bundle)


def _retiring(session: Session, bundle: Bundle) -> str:
    """Return that its project is being removed, or ""."""
    try:
        forbid_retiring(session, bundle.feature_schema)
    except BusyError as error:
        return str(error)
    return ""


def _held(session: Session, bundle: BundleRef) -> str:
    hold = get_hold(session, bundle)
    return "" if hold is None else hold.told


def _proof(runtime: Runtime, live: LiveRow) -> str:
    with runtime.database.read() as session:
        last = get_readiness(session, live)
    if last is None:
        return "; it was never looked at"
    return f"; last looked at {last.checked:%Y-%m-%d %H:%M:%SZ}: {last.state}"


def _of_fallback(session: Session, fallback: Fallback) -> _Candidate:
    why = f": {fallback.cause.reason}" if fallback.cause.reason else ""
    return _Candidate(
        recorded=get_bundle(session, fallback.bundle),
        release=None,
        why=f"it is the fallback bundle that {fallback.cause.principal} recorded{why}",
        proof=f"; last looked at {fallback.checked:%Y-%m-%d %H:%M:%SZ}: {fallback.state}",
        against=_held(session, fallback.bundle),
    )
