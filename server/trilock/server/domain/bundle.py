"""The three things that trilock locks together, and the bundle that does it.

All values are captures: what was there when somebody looked, complete enough
to check and to restore it later without asking the outside system (I7).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from trilock.server.domain.names import BundleRef, FeatureSchemaRef

Json = Mapping[str, Any]
"""A JSON object."""

DIGEST_VERSION: Final = 1
"""Version of the form that `bundle_digest` hashes; raised when the form changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A version in the model registry, as it was when captured.

    Identity is more than name and number: MLflow reuses both after a model was
    deleted, and lets a signature be changed after registration
    (research/mlflow_dvc.md, section 3).
    """

    name: str
    version: str
    created_ms: int
    """Creation time in the registry, milliseconds since the epoch."""
    model_id: str | None
    run_id: str | None
    location: str
    """Where the artifacts are, as the registry says: a URI."""
    mlmodel_sha256: str
    """Digest of the MLmodel file; it holds the signature."""
    files: tuple[tuple[str, int], ...]
    """Path and size in bytes of every artifact, sorted."""
    inputs: str | None
    """`signature.inputs` of MLmodel, a JSON text, or None if it was logged without."""
    outputs: str | None
    params: str | None
    source_commit: str | None
    """`mlflow.source.git.commit`, a hint: MLflow does not flag dirty trees."""
    feature_service: str | None
    """`feast.feature_service`, where Feast's MLflow integration tagged it."""

    def identity(self) -> Json:
        """Return what makes this version this version, and no other of the same name."""
        return {
            "name": self.name,
            "version": self.version,
            "created_ms": self.created_ms,
            "model_id": self.model_id,
            "run_id": self.run_id,
            "mlmodel_sha256": self.mlmodel_sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CapturedObject:
    """One Feast registry object: its kind, its name and the raw proto."""

    kind: str
    """`entity`, `data_source`, `feature_view`, `stream_feature_view`,
    `on_demand_feature_view`, `label_view` or `feature_service`."""
    name: str
    proto: bytes

    @property
    def digest(self) -> str:
        """Digest of the bytes; names the blob that keeps them."""
        return hashlib.sha256(self.proto).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCapture:
    """Everything one Feast feature service delivers, read at one moment.

    The closure of the service: its views, their entities and data sources.
    """

    service: str
    project: str
    """The project it was captured from."""
    revision: str | None
    """The commit it was captured at, when it came from a repository."""
    objects: tuple[CapturedObject, ...]
    """Sorted by kind and name."""
    definition_digest: str
    """Digest of the deterministic bytes with `meta` and project names cleared: equal
    digest, equal definitions, in whichever project they are (DESIGN section 7)."""
    feast_version: str
    python_version: str
    """Minor version that serialised the transformations; a body of another minor
    can crash an interpreter (research/feast.md, section 2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """A recorded capture with its three digests."""

    ref: FeatureSchemaRef
    capture: FeatureCapture
    contract_digest: str
    """What a consumer sees."""
    semantics_digest: str
    """How the values are made."""
    docs_digest: str
    """Descriptions, owners, tags."""
    created: datetime
    creator: str

    @property
    def project(self) -> str:
        """The Feast project it is deployed into, side by side with the others.

        Feast takes no hyphens, and a restored or new database gives versions again;
        the digest keeps schemas apart that would then share a name.
        """
        service = self.ref.service.replace("-", "_")
        return f"{service}__s{self.ref.version}_{self.capture.definition_digest[:6]}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PipelineOutput:
    """One output that a pipeline commit recorded in DVC."""

    path: str
    """Relative to the repository's root, with forward slashes."""
    algorithm: str
    """`md5`, or `md5-dos2unix` for a lock written by DVC 2."""
    digest: str | None
    """None when dvc.yaml names the output and no lock has its hash."""
    size: int | None
    files: int | None
    cached: bool
    """False: the output itself is in git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineCommit:
    """A git commit and the DVC state it recorded."""

    revision: str
    """40 hex digits."""
    state_digest: str
    """Digest over all outputs: equal digest, equal data, even from another commit."""
    outputs: tuple[PipelineOutput, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The immutable compatible tuple."""

    ref: BundleRef
    digest: str
    model_version: ModelVersion
    feature_schema: FeatureSchema
    pipeline_commit: PipelineCommit
    serving_config: Json
    created: datetime
    creator: str


def bundle_digest(
    *,
    model_version: ModelVersion,
    feature_schema: FeatureSchema,
    pipeline_commit: PipelineCommit,
    serving_config: Json,
) -> str:
    """Return the content digest that identifies a bundle.

    Recording the same tuple twice gives the same digest, in any process.

    Returns:
        64 hex digits.
    """
    form = {
        "version": DIGEST_VERSION,
        "model": model_version.identity(),
        "features": str(feature_schema.ref),
        "pipeline": [pipeline_commit.revision, pipeline_commit.state_digest],
        "serving_config": serving_config,
    }
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
