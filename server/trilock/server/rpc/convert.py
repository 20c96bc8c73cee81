"""From domain values to messages: total functions, nothing looked up, nothing decided.

An absent value is an absent field; a name travels as `str` of its reference.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from trilock.compat import Report
from trilock.server.domain.access import Token
from trilock.server.domain.bundle import Bundle, FeatureSchema, ModelVersion, PipelineCommit
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.operation import Operation, OperationStep
from trilock.server.domain.ports import ViewState
from trilock.server.domain.release import Cause, Pause, Release
from trilock.server.domain.sink import Sink
from trilock.server.rpc.convert_checks import recorded_waivers_to_proto, report_to_proto
from trilock.server.rpc.convert_fleet import fleet_to_proto
from trilock.server.rpc.times import duration, timestamp
from trilock.server.store.clock import to_datetime
from trilock.server.store.drifts import Drift
from trilock.server.store.fallbacks import Fallback
from trilock.server.store.feature_states import FeatureState
from trilock.server.store.holds import Hold
from trilock.server.store.plane_states import PlaneState
from trilock.server.store.readiness import StoredReadiness
from trilock.server.store.sinks import ReleaseSink
from trilock.server.usecases.describe_alias import AliasStatus
from trilock.server.usecases.describe_operation import OperationStatus
from trilock.server.usecases.feature_projects import FeatureProject
from trilock.server.watching.retirer import Retirement
from trilock.v1 import (
    admin_service_pb2,
    bundle_pb2,
    drift_pb2,
    feature_service_pb2,
    operation_pb2,
    release_pb2,
    sink_pb2,
)

_UNCOUNTED: Final = -1


def model_version_to_proto(version: ModelVersion) -> bundle_pb2.ModelVersion:
    """Return the message of *version*."""
    return bundle_pb2.ModelVersion(
        registered_model=version.name,
        version=version.version,
        create_time=timestamp(to_datetime(version.created_ms)),
        model_id=version.model_id or "",
        run_id=version.run_id or "",
        location=version.location,
        mlmodel_sha256=version.mlmodel_sha256,
        inputs=version.inputs or "",
        outputs=version.outputs or "",
    )


def feature_schema_to_proto(
    schema: FeatureSchema, *, contract: Mapping[str, Any] | None = None, objects: bool = False
) -> bundle_pb2.FeatureSchema:
    """Return the message of *schema*.

    Args:
        schema: What to convert.
        contract: Its contract; None to leave it out.
        objects: Whether the captured definitions are listed.
    """
    capture = schema.capture
    return bundle_pb2.FeatureSchema(
        name=str(schema.ref),
        service=schema.ref.service,
        project=schema.project,
        source_project=capture.project,
        source_revision=capture.revision or "",
        contract_digest=schema.contract_digest,
        semantics_digest=schema.semantics_digest,
        docs_digest=schema.docs_digest,
        objects=[
            bundle_pb2.FeatureObject(kind=item.kind, name=item.name, digest=item.digest)
            for item in capture.objects
        ]
        if objects
        else None,
        contract=None if contract is None else struct(contract),
        feast_version=capture.feast_version,
        create_time=timestamp(schema.created),
        creator=schema.creator,
    )


def pipeline_commit_to_proto(commit: PipelineCommit) -> bundle_pb2.PipelineCommit:
    """Return the message of *commit*."""
    return bundle_pb2.PipelineCommit(
        revision=commit.revision, state_digest=commit.state_digest, outputs=len(commit.outputs)
    )


def bundle_to_proto(bundle: Bundle, *, report: Report, hold: Hold | None) -> bundle_pb2.Bundle:
    """Return the message of *bundle*, with the report of its recording and its hold."""
    return bundle_pb2.Bundle(
        name=str(bundle.ref),
        digest=bundle.digest,
        model_version=model_version_to_proto(bundle.model_version),
        feature_schema=feature_schema_to_proto(bundle.feature_schema),
        pipeline_commit=pipeline_commit_to_proto(bundle.pipeline_commit),
        serving_config=struct(bundle.serving_config),
        report=report_to_proto(report),
        hold=None if hold is None else hold_to_proto(hold),
        create_time=timestamp(bundle.created),
        creator=bundle.creator,
    )


def hold_to_proto(hold: Hold) -> bundle_pb2.Hold:
    """Return the message of *hold*."""
    return bundle_pb2.Hold(
        reason=hold.reason,
        principal=hold.principal,
        create_time=timestamp(hold.created),
        expire_time=timestamp(hold.expires),
        resource=str(hold.resource),
    )


def cause_to_proto(cause: Cause) -> release_pb2.Cause:
    """Return the message of *cause*."""
    return release_pb2.Cause(
        principal=cause.principal, reason=cause.reason, incident=cause.incident
    )


def release_to_proto(release: Release, *, sinks: Sequence[ReleaseSink] = ()) -> release_pb2.Release:
    """Return the message of *release*, with what became of its writes."""
    return release_pb2.Release(
        name=str(release.ref),
        alias=str(release.alias),
        bundle=str(release.bundle),
        kind=release_pb2.ReleaseKind.Value(f"RELEASE_KIND_{release.kind.value}"),
        state=release_pb2.ReleaseState.Value(f"RELEASE_STATE_{release.state.value}"),
        target=_name(release.target),
        leaves=_name(release.leaves),
        restores=_name(release.restores),
        revision=release.revision,
        start_time=timestamp(release.started),
        end_time=timestamp(release.ended),
        cause=cause_to_proto(release.cause),
        end_cause=None if release.ended_by is None else cause_to_proto(release.ended_by),
        sinks=[_release_sink(sink) for sink in sinks],
        leaves_bundle=_name(release.leaves_bundle),
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


def drift_to_proto(drift: Drift) -> drift_pb2.Drift:
    """Return the message of *drift*."""
    return drift_pb2.Drift(
        alias=str(drift.alias),
        plane=drift.plane,
        resource=drift.deviation.resource,
        wanted=drift.deviation.wanted,
        found=drift.deviation.found,
        changes=drift.deviation.changes,
        held_bundle=_name(drift.held),
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
        rows=_UNCOUNTED if state.rows is None else state.rows,
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


def refusal_to_proto(error: TrilockError) -> operation_pb2.OperationError:
    """Return the message of why something would be refused."""
    return operation_pb2.OperationError(reason=error.reason, message=str(error))


def operation_to_proto(status: OperationStatus) -> operation_pb2.Operation:
    """Return the message of *status*."""
    operation: Operation = status.operation
    failed = operation.error_reason or operation.error_message
    return operation_pb2.Operation(
        name=operation.name,
        kind=operation.kind.value,
        alias=str(operation.alias),
        state=operation_pb2.OperationState.Value(f"OPERATION_STATE_{operation.state.value}"),
        done=operation.done,
        release=_name(operation.release),
        bundle=_name(status.bundle),
        steps=[_operation_step(step) for step in operation.steps],
        planes=[plane_to_proto(plane) for plane in status.planes],
        pivot_revision=operation.pivot_revision or 0,
        error=operation_pb2.OperationError(
            reason=operation.error_reason, message=operation.error_message
        )
        if failed
        else None,
        next_try_time=timestamp(operation.next_try),
        cause=cause_to_proto(operation.cause),
        create_time=timestamp(operation.created),
        end_time=timestamp(operation.ended),
        deadline_time=timestamp(operation.deadline),
    )


def _operation_step(step: OperationStep) -> operation_pb2.OperationStep:
    return operation_pb2.OperationStep(
        step=step.step,
        title=step.title,
        state=step.state.value,
        attempts=step.attempts,
        error=step.error,
        start_time=timestamp(step.started),
        end_time=timestamp(step.ended),
        progress=step.progress,
    )


def sink_to_proto(sink: Sink) -> sink_pb2.Sink:
    """Return the message of *sink*."""
    return sink_pb2.Sink(
        name=str(sink.ref),
        connection=sink.connection,
        table=sink.table,
        keys=sink.keys,
        columns=[
            sink_pb2.SinkColumn(name=column.name, type=column.type, nullable=column.nullable)
            for column in sink.columns
        ],
        create_time=timestamp(sink.created),
        creator=sink.creator,
        live_view=f"{sink.table}_live" if sink.live_view else "",
        undoable=sink.undoable,
    )


def view_to_proto(view: ViewState) -> feature_service_pb2.FeatureViewState:
    """Return the message of *view*."""
    return feature_service_pb2.FeatureViewState(
        view=view.view,
        rows=_UNCOUNTED if view.rows is None else view.rows,
        fed_until_time=timestamp(view.fed_until),
        fed_from_time=timestamp(view.fed_from),
        cold=view.cold,
    )


def feature_project_to_proto(project: FeatureProject) -> feature_service_pb2.FeatureProject:
    """Return the message of *project*."""
    return feature_service_pb2.FeatureProject(
        project=project.project,
        feature_schema=str(project.schema.ref),
        releases=[str(release) for release in project.releases],
        views=[view_to_proto(view) for view in project.views],
        error=project.error,
    )


def retirement_to_proto(retirement: Retirement) -> feature_service_pb2.Retirement:
    """Return the message of *retirement*."""
    return feature_service_pb2.Retirement(
        project=retirement.schema.project,
        feature_schema=str(retirement.schema.ref),
        needed_until_time=timestamp(retirement.needed_until),
        retire_time=timestamp(retirement.due),
        retired=retirement.retired,
        remains=retirement.remains,
        error=retirement.error,
    )


def token_to_proto(token: Token) -> admin_service_pb2.Token:
    """Return the message of *token*: no secret, no digest."""
    return admin_service_pb2.Token(
        principal=token.principal,
        roles=sorted(token.roles),
        create_time=timestamp(token.created),
        creator=token.creator,
        settings=token.in_settings,
    )


def struct(form: Mapping[str, Any]) -> Struct:
    """Return the message of the JSON object *form*."""
    message = Struct()
    message.update(form)
    return message


def _name(ref: object | None) -> str:
    return "" if ref is None else str(ref)
