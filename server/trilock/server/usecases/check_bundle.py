"""Say whether something would work on an alias. Changes nothing."""

from trilock.compat import Report
from trilock.server.checks.compatibility import Judge
from trilock.server.domain.names import AliasRef, BundleRef, FeatureSchemaRef
from trilock.server.usecases.record_bundle import capture_parts
from trilock.server.usecases.runtime import Runtime


def check_bundle(runtime: Runtime, *, alias: AliasRef, bundle: BundleRef) -> Report:
    """Judge a recorded bundle, against what is really there.

    Raises:
        NotFoundError: It was never recorded, or its model version is gone.
        PlaneUnavailableError: An outside system does not answer.
    """
    return Judge(runtime.database, runtime.connections).bundle_report(alias=alias, bundle=bundle)


def check_candidate(
    runtime: Runtime,
    *,
    alias: AliasRef,
    model_version: str,
    feature_schema: FeatureSchemaRef | None,
    service: str | None,
    pipeline_revision: str,
) -> Report:
    """Judge a tuple that is not recorded yet, and record nothing.

    Raises:
        NotFoundError: A part does not exist.
        PlaneUnavailableError: An outside system does not answer.
    """
    parts = capture_parts(
        runtime,
        model=alias.model,
        model_version=model_version,
        feature_schema=feature_schema,
        service=service,
        pipeline_revision=pipeline_revision,
    )
    return Judge(runtime.database, runtime.connections).report(
        parts.judged("candidate"), alias=alias
    )
