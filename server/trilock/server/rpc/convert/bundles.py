"""Bundles and their parts as messages."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct

from trilock.compat import Report
from trilock.server.domain.bundle import Bundle, FeatureSchema, ModelVersion, PipelineCommit
from trilock.server.rpc.convert.checks import report_to_proto
from trilock.server.rpc.convert.fields import timestamp
from trilock.server.store.clock import to_datetime
from trilock.server.store.holds import Hold
from trilock.v1 import bundle_pb2


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
        contract=None if contract is None else _struct(contract),
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
        serving_config=_struct(bundle.serving_config),
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


def _struct(form: Mapping[str, Any]) -> Struct:
    """Return the message of the JSON object *form*."""
    message = Struct()
    message.update(form)
    return message
