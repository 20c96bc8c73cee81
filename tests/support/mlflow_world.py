"""What others do to a real MLflow registry: log models, change them, delete them.

Uses MLflow's own client, and for what that cannot do the artifact files. The
model is a real pyfunc with a signature, saved once per test run; a version is
a copy of it, which takes milliseconds.
"""

import itertools
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock
from urllib.parse import urlparse

import pytest

from tests.support.mlflow_server import MlflowServer
from trilock.server.domain.ports import ModelRegistry
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.planes.mlflow.runtime import import_mlflow, new_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

_EXPERIMENT: Final = "trilock-tests"
_names = itertools.count(1)


class MlflowWorld:
    """One model of a real registry; see RegistryWorld of the conformance suite."""

    def __init__(
        self, *, registry: ModelRegistry, uri: str, artifacts: Path, template: Path, scratch: Path
    ) -> None:
        """Touch nothing yet.

        Args:
            registry: What is tested.
            uri: Where the others reach the registry, whatever happens to *registry*.
            artifacts: The folder in which it keeps artifacts.
            template: A saved model.
            scratch: An empty folder.
        """
        self.registry = registry
        self.model = f"delay-{next(_names)}"
        self.client: MlflowClient = new_client(uri)
        self._uri = uri
        self._artifacts = artifacts
        self._template = template
        self._scratch = scratch

    def register(
        self,
        *,
        source_commit: str | None = None,
        feature_service: str | None = None,
        run_id: str | None = None,
        template: Path | None = None,
    ) -> str:
        """Log the template, or another saved model, anew and make a version of it.

        The commit becomes a tag of the logged model, as MLflow does it; the
        feature service a tag of the version, as Feast does it.
        """
        logged = self.client.create_logged_model(
            self.experiment(),
            name="model",
            source_run_id=run_id,
            tags={"mlflow.source.git.commit": source_commit} if source_commit else {},
        )
        folder = self._scratch / logged.model_id
        shutil.copytree(template or self._template, folder)
        path = folder / "MLmodel"
        text = path.read_text().replace("model_id: null", f"model_id: {logged.model_id}")
        path.write_text(text)
        self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")
        if not self.client.search_registered_models(f"name='{self.model}'"):
            self.client.create_registered_model(self.model)
        # On a database MLflow looks the logged model up through its global URI.
        with mock.patch.dict(os.environ, MLFLOW_TRACKING_URI=self._uri):
            version = self.client.create_model_version(
                self.model,
                source=f"models:/{logged.model_id}",
                run_id=run_id,
                model_id=logged.model_id,
            ).version
        if feature_service:
            self.client.set_model_version_tag(
                self.model, str(version), "feast.feature_service", feature_service
            )
        return str(version)

    def experiment(self) -> str:
        """Return the id of the experiment that models are logged in."""
        found = self.client.get_experiment_by_name(_EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        if self._uri.startswith("http"):
            return str(self.client.create_experiment(_EXPERIMENT))
        return str(self.client.create_experiment(_EXPERIMENT, self._artifacts.as_uri()))

    def folder(self, version: str) -> Path:
        """Return where the artifacts of *version* really are."""
        location = urlparse(self.client.get_model_version_download_uri(self.model, version))
        if location.scheme == "file":
            return Path(location.path)
        return self._artifacts / location.path.lstrip("/")

    def write_file(self, version: str, path: str, content: bytes | None) -> None:
        """See RegistryWorld."""
        file = self.folder(version) / path
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

    def replace_signature(self, version: str) -> None:
        """See RegistryWorld."""
        file = self.folder(version) / "MLmodel"
        file.write_text(file.read_text().replace('"long"', '"string"'))

    def delete_version(self, version: str) -> None:
        """See RegistryWorld."""
        self.client.delete_model_version(self.model, version)

    def delete_model(self) -> None:
        """See RegistryWorld."""
        self.client.delete_registered_model(self.model)


@pytest.fixture
def patient_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request fails because the machine is busy; the server would wait 2 s."""
    import_mlflow()  # which sets its own bounds, once
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


def save_template(folder: Path, *, inputs: Mapping[str, str]) -> Path:
    """Save a pyfunc that takes *inputs*, MLflow types by column, and predicts `delay`."""
    import_mlflow()
    from mlflow.models import ModelSignature  # noqa: PLC0415 - late, it takes seconds
    from mlflow.pyfunc import save_model  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    signature = ModelSignature(
        inputs=Schema([ColSpec(type_, name) for name, type_ in inputs.items()]),
        outputs=Schema([ColSpec("double", "delay")]),
    )
    weights = folder / "weights.bin"
    weights.write_bytes(b"weights")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like an example
        save_model(
            folder / "model",
            loader_module="json",  # never loaded
            data_path=str(weights),
            signature=signature,
            pip_requirements=[],
        )
    return folder / "model"


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real pyfunc with a signature, on disk."""
    return save_template(tmp_path_factory.mktemp("saved-model"), inputs={"distance": "long"})


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry in an SQLite file that everybody shares; use model names of your own."""
    import_mlflow()
    path = tmp_path_factory.mktemp("mlflow-database") / "mlflow.sqlite"
    new_client(f"sqlite:///{path}")  # makes the tables
    return path


@pytest.fixture
def sqlite_world(
    mlflow_database: Path, saved_model: Path, tmp_path: Path, patient_mlflow: None
) -> MlflowWorld:
    """A model in a registry that is reached through its database."""
    uri = f"sqlite:///{mlflow_database}"
    return MlflowWorld(
        registry=MlflowModelRegistry(uri, time_limit=60),
        uri=uri,
        artifacts=mlflow_database.parent / "artifacts",
        template=saved_model,
        scratch=tmp_path,
    )


@pytest.fixture
def mlflow_world(
    mlflow_server: MlflowServer, saved_model: Path, tmp_path: Path, patient_mlflow: None
) -> MlflowWorld:
    """A model in a registry that is reached through its server."""
    return MlflowWorld(
        registry=MlflowModelRegistry(mlflow_server.uri, time_limit=60),
        uri=mlflow_server.uri,
        artifacts=mlflow_server.artifacts,
        template=saved_model,
        scratch=tmp_path,
    )
