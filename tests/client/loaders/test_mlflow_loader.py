"""Models of a real MLflow registry, loaded as pyfunc, kept on disk, held against a bundle."""

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.support.live import live_bundle
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_world import MlflowWorld
from trilock.client import BundleContract, ServingBundle
from trilock.client.errors import ContractError
from trilock.client.loaders import MlflowLoader
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.planes.mlflow.runtime import import_mlflow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
]

ROWS = pd.DataFrame({"unused": ["a", "b"], "distance": [3, 4]})

_MODEL = """
import mlflow.pyfunc


class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["distance"] * 2.0


mlflow.models.set_model(Doubled())
"""


@pytest.fixture(scope="module")
def doubling_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pyfunc that can be loaded, on disk: it doubles the distance."""
    import_mlflow()
    from mlflow.models import ModelSignature  # noqa: PLC0415 - late, it takes seconds
    from mlflow.pyfunc import save_model  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("doubling")
    code = folder / "doubled.py"
    code.write_text(_MODEL)
    signature = ModelSignature(
        inputs=Schema([ColSpec("long", "distance")]), outputs=Schema([ColSpec("double", "delay")])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like an example
        save_model(
            folder / "model", python_model=str(code), signature=signature, pip_requirements=[]
        )
    return folder / "model"


@pytest.fixture(params=["server", "database"])
def mlflow(
    request: pytest.FixtureRequest, doubling_model: Path, tmp_path: Path, patient_mlflow: None
) -> MlflowWorld:
    if request.param == "server":
        server: MlflowServer = request.getfixturevalue("mlflow_server")
        uri, artifacts = server.uri, server.artifacts
    else:
        database: Path = request.getfixturevalue("mlflow_database")
        uri, artifacts = f"sqlite:///{database}", database.parent / "artifacts"
    return MlflowWorld(
        registry=MlflowModelRegistry(uri, time_limit=60),
        uri=uri,
        artifacts=artifacts,
        template=doubling_model,
        scratch=tmp_path / "scratch",
    )


def bundle(world: MlflowWorld, version: str) -> ServingBundle:
    return replace(live_bundle(), registered_model=world.model, model_version=version)


def contract(world: MlflowWorld, version: str) -> BundleContract:
    """Return what the server records of *version*."""
    captured = world.registry.capture(model=world.model, version=version)
    return BundleContract(
        bundle="models/delay/bundles/1",
        registered_model=world.model,
        model_version=version,
        mlmodel_sha256=captured.mlmodel_sha256,
        pipeline_revision="",
        feature_project="",
        feature_service="",
        contract_digest="",
        semantics_digest="",
        objects=(),
        columns=(),
    )


def test_it_loads_what_is_registered(mlflow: MlflowWorld, tmp_path: Path) -> None:
    version = mlflow.register()
    (tmp_path / "empty").mkdir()
    before = os.environ.get("MLFLOW_TRACKING_URI")
    model = MlflowLoader(mlflow._uri)(bundle(mlflow, version))
    model.verify(contract(mlflow, version))

    assert model.inputs == ("distance",)
    assert list(model.predict(ROWS)) == [6.0, 8.0]
    assert os.environ.get("MLFLOW_TRACKING_URI") == before
    assert not (mlflow.folder(version) / "registered_model_meta").exists()


def test_a_signature_that_was_changed_after_registration_is_refused(mlflow: MlflowWorld) -> None:
    version = mlflow.register()
    recorded = contract(mlflow, version)
    mlflow.replace_signature(version)
    model = MlflowLoader(mlflow._uri)(bundle(mlflow, version))

    with pytest.raises(ContractError) as caught:
        model.verify(recorded)

    changed = hashlib.sha256((mlflow.folder(version) / "MLmodel").read_bytes()).hexdigest()
    assert str(caught.value) == (
        f"MLmodel of {mlflow.model} {version} has digest {changed[:12]}, models/delay/bundles/1 "
        f"was recorded with {recorded.mlmodel_sha256[:12]}: its signature was changed since, or "
        "the version was made anew"
    )


def test_what_was_kept_is_loaded_without_the_registry(mlflow: MlflowWorld, tmp_path: Path) -> None:
    version = mlflow.register()
    loader = MlflowLoader(mlflow._uri, folder=tmp_path / "kept")
    loader(bundle(mlflow, version))
    mlflow.delete_version(version)
    model = loader(bundle(mlflow, version))

    assert list(model.predict(ROWS)) == [6.0, 8.0]
    assert [one.name for one in (tmp_path / "kept" / mlflow.model).iterdir()] == [version]


def test_what_was_kept_and_is_not_the_recorded_one_is_asked_for_again(
    mlflow: MlflowWorld, tmp_path: Path
) -> None:
    version = mlflow.register()
    loader = MlflowLoader(mlflow._uri, folder=tmp_path / "kept")
    loader(bundle(mlflow, version))
    kept = tmp_path / "kept" / mlflow.model / version / "MLmodel"
    kept.write_text(kept.read_text() + "\n")

    with pytest.raises(ContractError):
        loader(bundle(mlflow, version)).verify(contract(mlflow, version))
    loader(bundle(mlflow, version)).verify(contract(mlflow, version))


def test_half_a_download_is_never_kept(mlflow: MlflowWorld, tmp_path: Path) -> None:
    version = mlflow.register()
    shutil.rmtree(mlflow.folder(version))
    loader = MlflowLoader(mlflow._uri, folder=tmp_path / "kept")

    with pytest.raises(Exception, match=r".*"):
        loader(bundle(mlflow, version))
    with pytest.raises(Exception, match="99"):
        loader(bundle(mlflow, "99"))

    assert [one for one in tmp_path.glob("kept/*/*") if (one / "MLmodel").exists()] == []


def test_importing_the_loaders_imports_neither_vendor() -> None:
    code = (
        "import sys, trilock.client.loaders;"
        "print(sorted({'mlflow', 'feast', 'pandas'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[]\n"
