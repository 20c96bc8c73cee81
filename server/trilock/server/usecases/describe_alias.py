"""Everything that hangs on an alias, for somebody who has to decide."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from trilock.server.checks.readiness import ReadinessState
from trilock.server.domain.fleet import Fleet
from trilock.server.domain.names import AliasRef, ModelName
from trilock.server.domain.operation import Operation
from trilock.server.domain.release import LiveRow, Release, ReleaseState
from trilock.server.store.drifts import Drift, open_drifts
from trilock.server.store.fallbacks import Fallback, get_fallback
from trilock.server.store.feature_states import FeatureState, list_feature_states
from trilock.server.store.fleet import get_fleet
from trilock.server.store.holds import Hold, get_hold
from trilock.server.store.plane_states import PlaneState, list_plane_states
from trilock.server.store.readiness import StoredReadiness, get_readiness
from trilock.server.store.releases import get_release, list_live, require_live
from trilock.server.store.sinks import ReleaseSink, list_release_sinks
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.waive import Waivers, alias_waivers


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasStatus:
    """One alias, from trilock's own database: it answers when nothing else does."""

    live_row: LiveRow
    live: Release
    soaked: timedelta | None
    """How long the live release has soaked, without pauses; None if it does not."""
    live_sinks: tuple[ReleaseSink, ...]
    target: Release | None
    target_sinks: tuple[ReleaseSink, ...]
    readiness: StoredReadiness | None
    """None until the target was first looked at."""
    fallback: Fallback | None
    features: tuple[FeatureState, ...]
    """What live release, target and trials read, once it was looked at."""
    planes: tuple[PlaneState, ...]
    canary: Release | None
    shadow: Release | None
    fleet: Fleet
    """Who serves it, held against its present revision."""
    operation: Operation | None
    """The newest operation that is not done; None if there is none."""
    waivers: Waivers
    """In force, or expired and not ended."""
    hold: Hold | None
    """The hold on the alias itself."""
    drifts: tuple[Drift, ...]
    """What others changed in its planes, and is so still."""


def describe_alias(runtime: Runtime, alias: AliasRef) -> AliasStatus:
    """Return what hangs on *alias*.

    Raises:
        NotFoundError: Nothing was ever released there.
    """
    with runtime.database.read() as session:
        row = require_live(session, alias)
        live = get_release(session, row.release)
        target = None if row.target is None else get_release(session, row.target)
        status_sinks = tuple(list_release_sinks(session, row.release))
        target_sinks = () if target is None else tuple(list_release_sinks(session, target.ref))
        readiness = _target_readiness(session, row, target)
        fallback = _fallback(session, alias)
        planes = tuple(list_plane_states(session, row))
        features = tuple(list_feature_states(session, alias, releases=row.needed))
        waivers = alias_waivers(session, alias)
        hold = get_hold(session, alias)
        drifts = tuple(open_drifts(session, alias))
        fleet = get_fleet(session, row)
        canary = None if row.canary is None else get_release(session, row.canary)
        shadow = None if row.shadow is None else get_release(session, row.shadow)
    return AliasStatus(
        live_row=row,
        live=live,
        soaked=live.soaked(datetime.now(UTC)) if live.state is ReleaseState.SOAKING else None,
        live_sinks=status_sinks,
        target=target,
        target_sinks=target_sinks,
        readiness=readiness,
        fallback=fallback,
        features=features,
        planes=planes,
        canary=canary,
        shadow=shadow,
        fleet=fleet,
        operation=runtime.journal.working_on(alias),
        waivers=waivers,
        hold=hold,
        drifts=drifts,
    )


def _target_readiness(
    session: Session, row: LiveRow, target: Release | None
) -> StoredReadiness | None:
    """Return the last look at *target*; what is on hold since is not ready, however it looked."""
    found = get_readiness(session, row)
    hold = None if target is None else get_hold(session, target.bundle)
    if found is None or hold is None:
        return found
    return replace(found, state=ReadinessState.NOT_READY, problems=(hold.told, *found.problems))


def _fallback(session: Session, alias: AliasRef) -> Fallback | None:
    """Return the fallback bundle of *alias*, with the last look at it, as for the target."""
    found = get_fallback(session, alias)
    hold = None if found is None else get_hold(session, found.bundle)
    if found is None or hold is None:
        return found
    return replace(found, state=ReadinessState.NOT_READY, problems=(hold.told, *found.problems))


def describe_aliases(runtime: Runtime, *, model: ModelName | None) -> tuple[AliasStatus, ...]:
    """Return every alias, sorted by name."""
    with runtime.database.read() as session:
        aliases = [live.alias for live in list_live(session, model=model)]
    return tuple(describe_alias(runtime, alias) for alias in aliases)
