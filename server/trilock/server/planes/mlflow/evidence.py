"""What was found of a model version, what is captured of it, and how the two differ.

Shared by the real registry and the one in memory, so that they cannot drift
apart. Pure.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trilock.server.domain.bundle import ModelVersion
from trilock.server.domain.errors import NotFoundError, UndecidableError
from trilock.server.planes.mlflow.model_file import NAME, ModelFileError, parse_model_file
from trilock.server.planes.mlflow.names import version_label

GIT_COMMIT_TAG = "mlflow.source.git.commit"
FEATURE_SERVICE_TAG = "feast.feature_service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a registry and its artifact store hold of one version now."""

    model: str
    version: str
    created_ms: int
    model_id: str | None
    """As the registry says; MLmodel knows it where the registry does not."""
    run_id: str | None
    location: str
    files: Mapping[str, int]
    """Path and size of every artifact."""
    model_file: bytes | None
    """The MLmodel file; None if it is not there."""

    @property
    def label(self) -> str:
        """How messages call the version."""
        return version_label(model=self.model, version=self.version)


def to_model_version(evidence: Evidence) -> ModelVersion:
    """Return the capture of what was found, without tags.

    Raises:
        NotFoundError: There is no MLmodel file.
        UndecidableError: The MLmodel file cannot be read.
    """
    raw = evidence.model_file
    if raw is None:
        raise NotFoundError(
            f"the MLmodel file of {evidence.label}", hint=f"its artifacts are {evidence.location}"
        )
    try:
        said = parse_model_file(raw)
    except ModelFileError as error:
        raise UndecidableError.unreadable(
            evidence.label,
            place=f"its file {NAME!r}",
            problem=str(error),
            remedy="log the model again, or put back the file that was logged",
        ) from error
    return ModelVersion(
        name=evidence.model,
        version=evidence.version,
        created_ms=evidence.created_ms,
        model_id=evidence.model_id or said.model_id,
        run_id=evidence.run_id,
        location=evidence.location,
        mlmodel_sha256=hashlib.sha256(raw).hexdigest(),
        files=tuple(sorted(evidence.files.items())),
        inputs=said.inputs,
        outputs=said.outputs,
        params=said.params,
        source_commit=None,
        feature_service=None,
    )


def tagged(captured: ModelVersion, tags: Mapping[str, str]) -> ModelVersion:
    """Return *captured* with what the tags say of it."""
    return replace(
        captured,
        source_commit=tags.get(GIT_COMMIT_TAG),
        feature_service=tags.get(FEATURE_SERVICE_TAG),
    )


def differences(captured: ModelVersion, found: Evidence | None) -> tuple[str, ...]:
    """Return how what was *found* differs from what was captured, one line each.

    Files that were added are no difference: nothing that was captured is gone.
    """
    if found is None:
        label = version_label(model=captured.name, version=captured.version)
        return (f"{label} is gone",)
    return (
        *_identity_differences(captured, found),
        *_model_file_differences(captured, found),
        *_file_differences(captured, found),
    )


def _identity_differences(captured: ModelVersion, found: Evidence) -> list[str]:
    pairs = [
        ("creation time", captured.created_ms, found.created_ms),
        ("run id", captured.run_id, found.run_id),
    ]
    if found.model_id is not None:
        pairs.append(("model id", captured.model_id, found.model_id))
    return [
        f"{found.label} has {what} {now}, not {was}: it is another one with the same number"
        for what, was, now in pairs
        if was != now
    ]


def _model_file_differences(captured: ModelVersion, found: Evidence) -> list[str]:
    if found.model_file is None:
        return []  # a lost file, like the others
    digest = hashlib.sha256(found.model_file).hexdigest()
    if digest == captured.mlmodel_sha256:
        return []
    line = (
        f"{found.label} has an MLmodel file with digest {digest[:12]}, "
        f"not {captured.mlmodel_sha256[:12]}: {_what_changed(captured, found.model_file)}"
    )
    return [line]


def _what_changed(captured: ModelVersion, raw: bytes) -> str:
    try:
        said = parse_model_file(raw)
    except ModelFileError as error:
        return str(error)
    before = (captured.inputs, captured.outputs, captured.params)
    if before == (said.inputs, said.outputs, said.params):
        return "it was edited, its signature is the same"
    return "its signature was changed"


def _file_differences(captured: ModelVersion, found: Evidence) -> list[str]:
    lines: list[str] = []
    for path, size in captured.files:
        now = found.files.get(path)
        if now is None:
            lines.append(f"{found.label} has lost its file {path!r}")
        elif now != size:
            lines.append(f"{found.label} has a file {path!r} of {now} bytes, not {size}")
    return lines
