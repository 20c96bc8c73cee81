"""One question to MLflow each, answered in plain values or with an error of the port.

MLflow's types differ between its backends (a version is a text over HTTP and a
number from SQLite, nothing is `''` or None); they end here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from trilock.server.domain.bundle import ModelVersion
from trilock.server.domain.errors import NotFoundError
from trilock.server.planes.mlflow import model_file
from trilock.server.planes.mlflow.errors import translated
from trilock.server.planes.mlflow.evidence import (
    FEATURE_SERVICE_TAG,
    GIT_COMMIT_TAG,
    Evidence,
)
from trilock.server.planes.mlflow.names import model_label, version_label
from trilock.server.planes.mlflow.runtime import artifact_repository

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from trilock.server.planes.mlflow.time_limit import Waiting

T = TypeVar("T")

_LOGGED_MODEL: Final = re.compile(r"models:/(m-[0-9a-f]{32})")
# MLflow writes this file into a local artifact store whenever somebody downloads from it.
_NOT_AN_ARTIFACT: Final = "registered_model_meta"
_READY: Final = "READY"


class MlflowQuestions:
    """The questions of one call to the port."""

    def __init__(self, client: MlflowClient, *, uri: str, plane: str, waiting: Waiting) -> None:
        self._client = client
        self._uri = uri
        self._plane = plane
        self._waiting = waiting

    def _ask(self, resource: str, question: Callable[..., T], *arguments: object) -> T:
        self._waiting.check()
        try:
            return question(*arguments)
        except Exception as error:  # every artifact store raises its own library's
            raise translated(error, resource=resource, plane=self._plane) from error

    def alias(self, *, model: str, alias: str) -> str | None:
        """Return the version *alias* points at."""
        # Not get_model_version_by_alias: a missing alias has the code of a bad name there.
        found = self._ask(model_label(model), self._client.get_registered_model, model)
        version = found.aliases.get(alias)
        return None if version is None else str(version)

    def put_alias(self, *, model: str, alias: str, version: str | None) -> None:
        """Point *alias* at *version*, or remove it."""
        if version is None:
            remove = self._client.delete_registered_model_alias
            self._ask(model_label(model), remove, model, alias)
        else:
            put = self._client.set_registered_model_alias
            label = version_label(model=model, version=version)
            self._ask(label, put, model, alias, version)

    def evidence(self, *, model: str, version: str) -> Evidence:
        """Return what is there of *version*."""
        label = version_label(model=model, version=version)
        found = self._ask(label, self._client.get_model_version, model, version)
        if found.status != _READY:
            raise NotFoundError(f"{label} in {self._plane}", hint=f"it is {found.status}")
        locate = self._client.get_model_version_download_uri
        location = str(self._ask(label, locate, model, version))
        files, model_file = self._artifacts(label, location)
        logged = _LOGGED_MODEL.fullmatch(found.source or "")
        return Evidence(
            model=model,
            version=version,
            created_ms=int(found.creation_timestamp),
            model_id=found.model_id or (logged.group(1) if logged else None),
            run_id=found.run_id or None,
            location=location,
            files=files,
            model_file=model_file,
        )

    def tags(self, captured: ModelVersion) -> Mapping[str, str]:
        """Return the tags that concern us, the nearest to the version winning.

        Feast tags the run and the version; MLflow tags the run and the logged model.
        """
        name, version = captured.name, captured.version
        label = version_label(model=name, version=version)
        found = self._ask(label, self._client.get_model_version, name, version)
        tags: dict[str, str] = dict(found.tags)
        sources: list[Callable[[], Mapping[str, str]]] = []
        if model_id := captured.model_id:
            sources.append(lambda: self._client.get_logged_model(model_id).tags)
        if run_id := captured.run_id:
            sources.append(lambda: self._client.get_run(run_id).data.tags)
        for source in sources:
            if GIT_COMMIT_TAG in tags and FEATURE_SERVICE_TAG in tags:
                break
            tags = {**self._tags_or_none(source), **tags}
        return tags

    def _tags_or_none(self, source: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        try:
            return self._ask("tags", source)
        except NotFoundError:
            return {}  # a version outlives its logged model and its run

    def _artifacts(self, label: str, location: str) -> tuple[dict[str, int], bytes | None]:
        repository = self._ask(label, self._repository, location)
        files = dict(self._files(label, repository))
        # A folder that is gone lists as empty, a download from it fails like a lost connection.
        if model_file.NAME not in files:
            return files, None
        with tempfile.TemporaryDirectory(prefix="trilock-") as folder:
            download = repository.download_artifacts
            path = self._ask(label, download, model_file.NAME, folder)
            return files, Path(path).read_bytes()

    def _repository(self, location: str) -> ArtifactRepository:
        return artifact_repository(location, uri=self._uri)

    def _files(
        self, label: str, repository: ArtifactRepository, folder: str | None = None
    ) -> Iterator[tuple[str, int]]:
        entries: list[Any] = self._ask(label, repository.list_artifacts, folder)
        for entry in entries:
            if entry.is_dir:
                yield from self._files(label, repository, entry.path)
            elif entry.path != _NOT_AN_ARTIFACT:
                yield entry.path, int(entry.file_size or 0)
