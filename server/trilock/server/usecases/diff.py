"""What differs between two bundles, or two feature schemas. Reads trilock's database only."""

from collections.abc import Iterator, Mapping
from typing import Any

from trilock.compat import (
    Closure,
    Difference,
    Part,
    compare_features,
    compare_json,
    signature_form,
)
from trilock.server.domain.bundle import (
    Bundle,
    FeatureCapture,
    FeatureSchema,
    ModelVersion,
    PipelineCommit,
)
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.names import BundleRef, FeatureSchemaRef
from trilock.server.domain.ports import FeatureStore
from trilock.server.store.bundles import get_bundle
from trilock.server.store.schemas import get_schema
from trilock.server.usecases.runtime import Runtime


def diff_schemas(
    runtime: Runtime, *, before: FeatureSchemaRef, after: FeatureSchemaRef
) -> tuple[Difference, ...]:
    """Return what differs between two feature schemas: contract, semantics, docs.

    Raises:
        NotFoundError: One was never recorded.
        PreconditionError: The settings have no model, so nothing can read the captures.
    """
    with runtime.database.read() as session:
        schemas = get_schema(session, before), get_schema(session, after)
    return _features(_store(runtime), *schemas)


def diff_bundles(
    runtime: Runtime, *, before: BundleRef, after: BundleRef
) -> tuple[Difference, ...]:
    """Return what differs between two bundles: model, features, pipeline, serving config.

    Raises:
        NotFoundError: One was never recorded.
        PreconditionError: The settings have no model, so nothing can read the captures.
    """
    with runtime.database.read() as session:
        old, new = get_bundle(session, before), get_bundle(session, after)
    return (
        *_model(old.model_version, new.model_version),
        *_features(_store(runtime), old.feature_schema, new.feature_schema),
        *_pipeline(old, new),
        *compare_json(Part.SERVING, "serving_config", old.serving_config, new.serving_config),
    )


def _store(runtime: Runtime) -> FeatureStore:
    """Return any feature store: reading a capture is pure, so each will do."""
    models = runtime.connections.models()
    if not models:
        raise PreconditionError("the settings have no model: add one, so that captures can be read")
    return runtime.connections.planes(models[0]).features


def _model(old: ModelVersion, new: ModelVersion) -> Iterator[Difference]:
    yield from compare_json(Part.MODEL, "version", _identity(old), _identity(new))
    for part in ("inputs", "outputs", "params"):
        yield from compare_json(
            Part.MODEL,
            part,
            signature_form(getattr(old, part)),
            signature_form(getattr(new, part)),
        )


def _identity(version: ModelVersion) -> Mapping[str, Any]:
    return {
        "registered_model": version.name,
        "version": version.version,
        "run_id": version.run_id or "",
        "mlmodel_sha256": version.mlmodel_sha256,
        "trained_commit": version.source_commit or "",
    }


def _features(
    features: FeatureStore, old: FeatureSchema, new: FeatureSchema
) -> tuple[Difference, ...]:
    return compare_features(_closure(features, old.capture), _closure(features, new.capture))


def _closure(features: FeatureStore, capture: FeatureCapture) -> Closure:
    return Closure(service=capture.service, objects=features.describe(capture))


def _pipeline(old: Bundle, new: Bundle) -> Iterator[Difference]:
    before, after = old.pipeline_commit, new.pipeline_commit
    yield from compare_json(
        Part.PIPELINE, "commit", {"revision": before.revision}, {"revision": after.revision}
    )
    yield from compare_json(Part.PIPELINE, "outputs", _outputs(before), _outputs(after))


def _outputs(commit: PipelineCommit) -> Mapping[str, str]:
    return {
        output.path: "in git" if not output.cached else output.digest or "without a hash"
        for output in commit.outputs
    }
