"""Aliases and releases as messages, with all that hangs on them."""

from collections.abc import Sequence

from trilock.server.domain.release import Cause, Pause, Release
from trilock.server.rpc.convert.bundles import hold_to_proto
from trilock.server.rpc.convert.checks import recorded_waivers_to_proto
from trilock.server.rpc.convert.fields import duration, name_of, rows_of, timestamp
from trilock.server.rpc.convert.fleet import fleet_to_proto
from trilock.server.store.clock import to_datetime
from trilock.server.store.drifts import Drift
from trilock.server.store.fallbacks import Fallback
from trilock.server.store.feature_states import FeatureState
from trilock.server.store.plane_states import PlaneState
from trilock.server.store.readiness import StoredReadiness
from trilock.server.store.sinks import ReleaseSink
from trilock.server.usecases.describe_alias import AliasStatus
from trilock.v1 import drift_pb2, release_pb2


def alias_to_proto(status: AliasStatus) -> release_pb2.Alias:
    """Return the message of *status*."""
    return release_pb2.Alias(
        name=str(status.live_row.alias),
        etag=status.live_row.etag,
        live=release_to_proto(status.live, sinks=status.live_sinks),
        target=None
        if status.target is None
        else release_to_proto(status.target, sinks=status.target_sinks),
        readiness=_readiness(status.readiness, has_target=status.target is not None),
        planes=[plane_to_proto(plane) for plane in status.planes],
        features=[_feature_state(state) for state in status.features],
        operation="" if status.operation is None else status.operation.name,
        waivers=recorded_waivers_to_proto(status.waivers),
        hold=None if status.hold is None else hold_to_proto(status.hold),
        drifts=[drift_to_proto(drift) for drift in status.drifts],
        soaked=None if status.soaked is None else duration(status.soaked.total_seconds()),
        fallback=None if status.fallback is None else fallback_to_proto(status.fallback),
        fleet=fleet_to_proto(status.fleet),
        canary=None if status.canary is None else release_to_proto(status.canary),
        canary_percent=status.live_row.canary_percent,
        shadow=None if status.shadow is None else release_to_proto(status.shadow),
    )


def release_to_proto(release: Release, *, sinks: Sequence[ReleaseSink] = ()) -> release_pb2.Release:
    """Return the message of *release*, with what became of its writes."""
    return release_pb2.Release(
        name=str(release.ref),
        alias=str(release.alias),
        bundle=str(release.bundle),
        kind=release_pb2.ReleaseKind.Value(f"RELEASE_KIND_{release.kind.value}"),
        state=release_pb2.ReleaseState.Value(f"RELEASE_STATE_{release.state.value}"),
        target=name_of(release.target),
        leaves=name_of(release.leaves),
        restores=name_of(release.restores),
        revision=release.revision,
        start_time=timestamp(release.started),
        end_time=timestamp(release.ended),
        cause=cause_to_proto(release.cause),
        end_cause=None if release.ended_by is None else cause_to_proto(release.ended_by),
        sinks=[_release_sink(sink) for sink in sinks],
        leaves_bundle=name_of(release.leaves_bundle),
        acknowledge_duration=duration(release.acknowledged_s),
        acknowledged_watchers=release.acknowledged,
        pauses=[_pause(pause) for pause in release.pauses],
    )


def _pause(pause: Pause) -> release_pb2.Pause:
    return release_pb2.Pause(
        revision=pause.revision,
        start_time=timestamp(pause.started),
        cause=cause_to_proto(pause.cause),
        end_revision=pause.ended_revision or 0,
        end_time=timestamp(pause.ended),
        end_cause=None if pause.ended_by is None else cause_to_proto(pause.ended_by),
    )


def _release_sink(sink: ReleaseSink) -> release_pb2.ReleaseSink:
    staged = sink.counts.get("staged", {})
    merged = sink.counts.get("merge", {})
    return release_pb2.ReleaseSink(
        sink=str(sink.sink),
        state=sink.state,
        staged_rows=staged.get("rows", 0),
        merged_rows=merged.get("merged", 0),
        replaced_rows=merged.get("replaced", 0),
        kept_rows=merged.get("kept", 0),
        quarantine_digest=staged.get("digest", ""),
        undo_unavailable=sink.counts.get("undo_unavailable", {}).get("why", ""),
        ahead=sink.counts.get("ahead", {}).get("why", ""),
        counted="rows" in staged,
        count_time=timestamp(to_datetime(staged["at_ms"])) if "at_ms" in staged else None,
    )


def cause_to_proto(cause: Cause) -> release_pb2.Cause:
    """Return the message of *cause*."""
    return release_pb2.Cause(
        principal=cause.principal, reason=cause.reason, incident=cause.incident
    )


def plane_to_proto(plane: PlaneState) -> release_pb2.PlaneStatus:
    """Return the message of *plane*."""
    return release_pb2.PlaneStatus(
        plane=plane.plane,
        converged=plane.converged,
        wanted=plane.wanted,
        found=plane.found,
        attempts=plane.attempts,
        error=plane.error,
        next_try_time=timestamp(plane.next_try),
        failing_since_time=timestamp(plane.failing_since),
    )


def drift_to_proto(drift: Drift) -> drift_pb2.Drift:
    """Return the message of *drift*."""
    return drift_pb2.Drift(
        alias=str(drift.alias),
        plane=drift.plane,
        resource=drift.deviation.resource,
        wanted=drift.deviation.wanted,
        found=drift.deviation.found,
        changes=drift.deviation.changes,
        held_bundle=name_of(drift.held),
        reasserted=drift.reasserted,
        start_time=timestamp(drift.since),
        end_time=timestamp(drift.ended),
        revision=drift.revision,
    )


def fallback_to_proto(fallback: Fallback) -> release_pb2.Fallback:
    """Return the message of *fallback*."""
    return release_pb2.Fallback(
        bundle=str(fallback.bundle),
        cause=cause_to_proto(fallback.cause),
        create_time=timestamp(fallback.recorded),
        readiness=release_pb2.Readiness(
            state=release_pb2.Readiness.State.Value(f"STATE_{fallback.state}"),
            problems=fallback.problems,
            check_time=timestamp(fallback.checked),
        ),
    )


def _feature_state(state: FeatureState) -> release_pb2.FeatureState:
    return release_pb2.FeatureState(
        release=str(state.release),
        project=state.project,
        rows=rows_of(state.rows),
        fed_until_time=timestamp(state.fed_until),
        cold=state.cold,
        error=state.error,
        check_time=timestamp(state.checked),
    )


def _readiness(readiness: StoredReadiness | None, *, has_target: bool) -> release_pb2.Readiness:
    if not has_target:
        return release_pb2.Readiness(state=release_pb2.Readiness.STATE_NO_TARGET)
    if readiness is None:
        return release_pb2.Readiness(
            state=release_pb2.Readiness.STATE_UNPROVEN, problems=["not looked at yet"]
        )
    return release_pb2.Readiness(
        state=release_pb2.Readiness.State.Value(f"STATE_{readiness.state}"),
        problems=readiness.problems,
        check_time=timestamp(readiness.checked),
    )
