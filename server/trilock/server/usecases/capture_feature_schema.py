"""Capture what a feature service delivers, and record it."""

from trilock.compat import FeatureSet, parse_features
from trilock.server.domain.bundle import FeatureCapture, FeatureSchema
from trilock.server.domain.names import ModelName
from trilock.server.domain.ports import Planes
from trilock.server.store.schemas import record_schema
from trilock.server.usecases.runtime import Runtime


def capture_feature_schema(
    runtime: Runtime, *, model: ModelName, service: str, revision: str | None, principal: str
) -> tuple[FeatureSchema, bool]:
    """Capture *service* and record it; return the schema, and whether it is new.

    Args:
        runtime: What to work on.
        model: Whose connections to use.
        service: A Feast feature service.
        revision: Full commit id to capture the repository at; None for the base
            project as it is now.
        principal: Who asks.

    Raises:
        NotFoundError: There is no such project, commit or service.
        PreconditionError: The repository's code could not be run.
        PlaneUnavailableError: The registry does not answer.
    """
    planes = runtime.connections.planes(model)
    capture = take_capture(planes, service=service, revision=revision)
    features = describe(planes, capture)
    with runtime.database.write() as session:
        return record_schema(
            session,
            capture,
            contract_digest=features.digests.contract,
            semantics_digest=features.digests.semantics,
            docs_digest=features.digests.docs,
            creator=principal,
        )


def take_capture(planes: Planes, *, service: str, revision: str | None) -> FeatureCapture:
    """Return the closure of *service*, from the repository at a commit or from the project."""
    if revision is None:
        return planes.features.capture_project(project=planes.base_project, service=service)
    return planes.features.capture_repository(
        repository=planes.repository,
        revision=revision,
        folder=planes.repository_folder,
        service=service,
    )


def describe(planes: Planes, capture: FeatureCapture) -> FeatureSet:
    """Return what *capture* delivers, as compat sees it."""
    return parse_features(planes.features.describe(capture), service=capture.service)
