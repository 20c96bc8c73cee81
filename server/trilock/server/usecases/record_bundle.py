"""Record a tuple that belongs together, with its verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trilock.compat import Report
from trilock.server.checks.compatibility import Judge, Tuple
from trilock.server.domain.bundle import Bundle, FeatureCapture, ModelVersion, PipelineCommit
from trilock.server.domain.errors import InvalidRequestError
from trilock.server.domain.names import AliasName, AliasRef, FeatureSchemaRef, ModelName
from trilock.server.store.bundles import record_bundle_row
from trilock.server.store.requests import claim_request, request_hash
from trilock.server.store.schemas import get_schema, record_schema
from trilock.server.usecases.capture_feature_schema import describe, take_capture
from trilock.server.usecases.runtime import Runtime

DEFAULT_ALIAS = AliasName("production")
"""Where a bundle is judged for when it is recorded: a promotion judges again, for its own alias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBundle:
    """What was recorded, or would be."""

    bundle: Bundle | None
    """None if it was only validated."""
    report: Report
    created: bool


def record_bundle(
    runtime: Runtime,
    *,
    model: ModelName,
    model_version: str,
    feature_schema: FeatureSchemaRef | None,
    service: str | None,
    pipeline_revision: str,
    serving_config: Mapping[str, Any],
    request_id: str,
    validate_only: bool,
    principal: str,
) -> RecordedBundle:
    """Capture the parts, judge them together, and record the bundle.

    An incompatible tuple is recorded too, with its report: only promoting it is
    refused. The same tuple again gives the bundle that is there.

    Raises:
        NotFoundError: A part does not exist.
        RequestIdReusedError: *request_id* was used with other content.
        PlaneUnavailableError: An outside system does not answer.
    """
    parts = capture_parts(
        runtime,
        model=model,
        model_version=model_version,
        feature_schema=feature_schema,
        service=service,
        pipeline_revision=pipeline_revision,
    )
    report = Judge(runtime.database, runtime.connections).report(
        parts.judged(f"models/{model}/bundles/-"), alias=AliasRef(model, DEFAULT_ALIAS)
    )
    if validate_only:
        return RecordedBundle(bundle=None, report=report, created=False)
    content = request_hash(
        "record_bundle",
        model=model,
        model_version=model_version,
        feature_schema=str(feature_schema),
        service=service,
        pipeline_revision=pipeline_revision,
        serving_config=serving_config,
    )
    planes = runtime.connections.planes(model)
    digests = describe(planes, parts.capture).digests
    with runtime.database.write() as session:
        claim_request(session, request_id, content)
        if feature_schema is not None:
            schema = get_schema(session, feature_schema)
        else:
            schema, _ = record_schema(
                session,
                parts.capture,
                contract_digest=digests.contract,
                semantics_digest=digests.semantics,
                docs_digest=digests.docs,
                creator=principal,
            )
        bundle, created = record_bundle_row(
            session,
            model=model,
            model_version=parts.model_version,
            feature_schema=schema,
            pipeline_commit=parts.pipeline_commit,
            serving_config=serving_config,
            report=report.to_json(),
            creator=principal,
        )
    return RecordedBundle(bundle=bundle, report=report, created=created)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The three parts of a tuple, captured now."""

    model_version: ModelVersion
    capture: FeatureCapture
    pipeline_commit: PipelineCommit

    def judged(self, name: str) -> Tuple:
        """Return the parts as something to judge, called *name* in the report."""
        return Tuple(
            name=name,
            model_version=self.model_version,
            capture=self.capture,
            pipeline_commit=self.pipeline_commit,
        )


def capture_parts(
    runtime: Runtime,
    *,
    model: ModelName,
    model_version: str,
    feature_schema: FeatureSchemaRef | None,
    service: str | None,
    pipeline_revision: str,
) -> Parts:
    """Capture the three parts; nothing is recorded.

    The cheap looks come first, so that a wrong version or commit is told before
    a worker process is started for the features.

    Raises:
        InvalidRequestError: Neither or both of *feature_schema* and *service* are given.
        NotFoundError: A part does not exist.
        PlaneUnavailableError: An outside system does not answer.
    """
    planes = runtime.connections.planes(model)
    pipeline_commit = planes.pipeline.capture(pipeline_revision)
    captured = planes.registry.capture(model=planes.registered_model, version=model_version)
    if feature_schema is not None and service is None:
        with runtime.database.read() as session:
            capture = get_schema(session, feature_schema).capture
    elif service is not None and feature_schema is None:
        capture = take_capture(planes, service=service, revision=pipeline_commit.revision)
    else:
        raise InvalidRequestError([("service", "give either a service or a feature_schema")])
    return Parts(model_version=captured, capture=capture, pipeline_commit=pipeline_commit)
