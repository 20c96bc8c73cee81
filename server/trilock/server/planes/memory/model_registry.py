"""A model registry in memory: behaves as MLflow does, breaks when it is told to.

For tests and for trying things out. The second half of the class is what a
test does to the world; the port is the first half.
"""

import itertools
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trilock.server.domain.bundle import ModelVersion
from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError
from trilock.server.planes.mlflow import model_file
from trilock.server.planes.mlflow.evidence import (
    FEATURE_SERVICE_TAG,
    GIT_COMMIT_TAG,
    Evidence,
    differences,
    tagged,
    to_model_version,
)
from trilock.server.planes.mlflow.names import (
    check_alias,
    check_model,
    check_version,
    model_label,
    version_label,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    created_ms: int
    model_id: str
    files: Mapping[str, bytes]
    tags: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Model:
    versions: dict[str, _Version] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    highest: int = 0


class MemoryModelRegistry:
    """Implements ModelRegistry. Safe to use from many threads."""

    def __init__(self, *, name: str = "registry") -> None:
        """Hold nothing."""
        self.down = False
        """Whether it does not answer."""
        self.loses_answers = False
        """Whether a write is made, and then does not answer."""
        self.unloadable: tuple[str, ...] = ()
        """Why no version can be loaded."""
        self._name = name
        self._lock = threading.RLock()
        self._models: dict[str, _Model] = {}
        self._ids = itertools.count(1)

    def capture(self, *, model: str, version: str) -> ModelVersion:
        """See ModelRegistry."""
        check_model(model)
        check_version(version)
        with self._lock:
            evidence = self._evidence(model=model, version=version)
            tags = self._models[model].versions[version].tags
        return tagged(to_model_version(evidence), tags)

    def verify(self, captured: ModelVersion) -> tuple[str, ...]:
        """See ModelRegistry."""
        with self._lock:
            try:
                found = self._evidence(model=captured.name, version=captured.version)
            except NotFoundError:
                return differences(captured, None)
        return differences(captured, found)

    def load(self, captured: ModelVersion, *, seconds: float) -> tuple[str, ...]:
        """See ModelRegistry."""
        del seconds
        with self._lock:
            try:
                self._evidence(model=captured.name, version=captured.version)
            except NotFoundError as error:
                return (str(error),)
        return self.unloadable

    def alias(self, *, model: str, alias: str) -> str | None:
        """See ModelRegistry."""
        check_model(model)
        check_alias(alias)
        with self._lock:
            return self._model(model).aliases.get(alias)

    def set_alias(self, *, model: str, alias: str, version: str | None) -> None:
        """See ModelRegistry."""
        check_model(model)
        check_alias(alias)
        if version is not None:
            check_version(version)
        with self._lock:
            found = self._model(model)
            if version is None:
                found.aliases.pop(alias, None)
            else:
                self._version(model=model, version=version)
                found.aliases[alias] = version
        if self.loses_answers:
            raise PlaneUnavailableError(plane=self._name, what="timed out")

    def register(
        self,
        model: str,
        *,
        inputs: str | None = None,
        outputs: str | None = None,
        params: str | None = None,
        source_commit: str | None = None,
        feature_service: str | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        """Add a version, and the model if it is new; return its number.

        Args:
            model: Name of the model.
            inputs: JSON text of the signature's inputs; as in ModelVersion.
            outputs: The same of the outputs.
            params: The same of the parameters.
            source_commit: Tagged as MLflow tags it.
            feature_service: Tagged as Feast tags it.
            files: Artifacts beside MLmodel.
        """
        with self._lock:
            number = next(self._ids)
            entry = self._models.setdefault(model, _Model())
            entry.highest += 1
            version = str(entry.highest)
            model_id = f"m-{number:032x}"
            signature = {"inputs": inputs, "outputs": outputs, "params": params}
            document = {"model_id": model_id, "signature": signature}
            tags = {GIT_COMMIT_TAG: source_commit, FEATURE_SERVICE_TAG: feature_service}
            entry.versions[version] = _Version(
                created_ms=1_700_000_000_000 + number,
                model_id=model_id,
                files={**(files or {}), model_file.NAME: json.dumps(document).encode()},
                tags={key: value for key, value in tags.items() if value is not None},
            )
            return version

    def write_file(self, *, model: str, version: str, path: str, content: bytes | None) -> None:
        """Replace an artifact behind everybody's back, or remove it."""
        with self._lock:
            found = self._version(model=model, version=version)
            files = {**found.files, path: content}
            kept = {key: value for key, value in files.items() if value is not None}
            self._models[model].versions[version] = replace(found, files=kept)

    def delete_version(self, *, model: str, version: str) -> None:
        """Delete a version, and with it, as MLflow does, every alias that points at it."""
        with self._lock:
            self._version(model=model, version=version)
            entry = self._models[model]
            del entry.versions[version]
            entry.aliases = {key: held for key, held in entry.aliases.items() if held != version}

    def delete_model(self, model: str) -> None:
        """Delete a model; its numbers begin again, as in MLflow."""
        with self._lock:
            self._model(model)
            del self._models[model]

    def _model(self, model: str) -> _Model:
        self._answer()
        if model not in self._models:
            raise NotFoundError(f"{model_label(model)} in {self._name}")
        return self._models[model]

    def _version(self, *, model: str, version: str) -> _Version:
        self._answer()
        entry = self._models.get(model, _Model())
        if version not in entry.versions:
            raise NotFoundError(f"{version_label(model=model, version=version)} in {self._name}")
        return entry.versions[version]

    def _answer(self) -> None:
        if self.down:
            raise PlaneUnavailableError(plane=self._name, what="connection refused")

    def _evidence(self, *, model: str, version: str) -> Evidence:
        found = self._version(model=model, version=version)
        return Evidence(
            model=model,
            version=version,
            created_ms=found.created_ms,
            model_id=found.model_id,
            run_id=None,
            location=f"memory:{found.model_id}",
            files={path: len(content) for path, content in found.files.items()},
            model_file=found.files.get(model_file.NAME),
        )
