"""Models of MLflow's registry, as pyfunc, from a copy of their own.

Asks one registry and nothing else: MLflow's global address, whose default is a new
database in the working folder, is neither read nor set. What is loaded is a copy, made
whole or not at all; with a folder to keep it in, the next process needs no MLflow.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from trilock.client._resolver.contract import BundleContract
from trilock.client.errors import ContractError
from trilock.client.live import ServingBundle

_MODEL_FILE: Final = "MLmodel"


class MlflowModel:
    """One loaded version.

    Args:
        folder: Where its artifacts are; nobody else's.
        name: The registered model.
        version: Its version.
        kept: Whether the folder outlives the model, for the next process.
    """

    def __init__(self, folder: Path, *, name: str, version: str, kept: bool) -> None:
        import mlflow.pyfunc  # noqa: PLC0415 - takes seconds

        self._folder = folder
        self._kept = kept
        if not kept:  # as long as the model lives: some read their files late
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._label = f"{name} {version}"
        self._digest = hashlib.sha256((folder / _MODEL_FILE).read_bytes()).hexdigest()
        self.pyfunc: Final[Any] = mlflow.pyfunc.load_model(str(folder))
        """MLflow's own object."""
        schema = self.pyfunc.metadata.get_input_schema()
        self.inputs: Final[tuple[str, ...]] = tuple(
            () if schema is None or not schema.has_input_names() else schema.input_names()
        )
        """The columns that it reads, in order; none if its signature names none."""

    def predict(self, data: Any, *, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - as MLflow
        """Return what the model says to *data*, which may have more columns than it reads."""
        if self.inputs and hasattr(data, "columns"):
            data = data[[*self.inputs]]
        return self.pyfunc.predict(data, params=params)

    def verify(self, contract: BundleContract) -> None:
        """Hold the model against *contract*. See `Verifiable`."""
        if self._digest == contract.mlmodel_sha256:
            return
        if self._kept:
            # So that the next try asks the registry again, not the disk.
            shutil.rmtree(self._folder, ignore_errors=True)
        raise ContractError(
            f"MLmodel of {self._label} has digest {self._digest[:12]}, {contract.bundle} was "
            f"recorded with {contract.mlmodel_sha256[:12]}: its signature was changed since, or "
            "the version was made anew",
            metadata={"bundle": contract.bundle, "found": self._digest},
        )


class MlflowLoader:
    """Loads the model of a bundle: `load=` of a slot.

    Args:
        uri: The tracking server with the registry, or its database.
        folder: Where to keep what was downloaded, a folder for each version, so that a
            process starts while MLflow is down; None to keep it as long as it is loaded.
    """

    def __init__(self, uri: str, *, folder: str | os.PathLike[str] | None = None) -> None:
        self._uri = uri
        self._folder = None if folder is None else Path(folder)

    def __call__(self, bundle: ServingBundle) -> MlflowModel:
        """Return the model of *bundle*.

        Raises:
            Exception: What MLflow, or the model's own code, raises.
        """
        name, version = bundle.registered_model, bundle.model_version
        if self._folder is None:
            folder = Path(tempfile.mkdtemp(prefix="trilock-model-"))
            try:
                self._download(name, version, into=folder)
                return MlflowModel(folder, name=name, version=version, kept=False)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        kept = self._folder / quote(name, safe="") / quote(version, safe="")
        if not (kept / _MODEL_FILE).is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".draft-", dir=kept.parent) as draft:
                whole = Path(draft) / "model"
                whole.mkdir()
                self._download(name, version, into=whole)
                shutil.rmtree(kept, ignore_errors=True)
                whole.rename(kept)
        return MlflowModel(kept, name=name, version=version, kept=True)

    def _download(self, name: str, version: str, *, into: Path) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds
        from mlflow.store.artifact import artifact_repository_registry  # noqa: PLC0415 - as above

        client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        location = client.get_model_version_download_uri(name, version)
        repository: Any = artifact_repository_registry.get_artifact_repository(
            location, tracking_uri=self._uri, registry_uri=self._uri
        )
        repository.download_artifacts("", dst_path=str(into))
