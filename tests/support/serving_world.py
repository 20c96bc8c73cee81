"""A world with a real MLflow and a real Feast, for serving processes that read from both.

Two bundles, made so that nobody can mistake a mixture for either: for JFK, `good` reads
20 degrees and answers 1020, `bad` reads 2000 hundredths and answers 4020 (its features
twice and 20 more). The model of one with the features of the other would answer anything
but these two.
"""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Final

from tests.support.feast_repo import NOW, ForkWorker, SqliteWorld
from tests.support.mlflow_world import MlflowWorld
from tests.support.served_world import secret_of
from tests.support.values import MODEL
from tests.support.world import ANN, World
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import ModelRegistry, Planes, Window
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.planes.mlflow.runtime import import_mlflow, new_client
from trilock.server.usecases.capture_feature_schema import capture_feature_schema
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.usecases.record_bundle import record_bundle

ANSWERS: Final = {"good": 1020.0, "bad": 4020.0}
"""What each bundle says of JFK."""

_CODE: Final = """
import mlflow.pyfunc


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return {formula}


mlflow.models.set_model(Model())
"""
_MODELS: Final = {
    "good": ("celsius", ("temp",), 'model_input["temp"] + 1000.0'),
    "bad": ("scaled", ("temp", "humidity"), 'model_input["temp"] + model_input["humidity"] + 20.0'),
}
_WINDOW: Final = Window(start=NOW.replace(year=NOW.year - 1), end=NOW)


class ServingWorld(World):
    """A World whose models and features are real."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.feast = SqliteWorld(folder / "feast", worker=ForkWorker())
        import_mlflow()
        self.mlflow_uri = f"sqlite:///{folder / 'mlflow.sqlite'}"
        new_client(self.mlflow_uri)  # makes the tables
        self._real_registry: ModelRegistry = MlflowModelRegistry(self.mlflow_uri, time_limit=60)
        self._mlflow = MlflowWorld(
            registry=self._real_registry,
            uri=self.mlflow_uri,
            artifacts=folder / "artifacts",
            template=folder,
            scratch=folder / "scratch",
        )

    def has_mirror(self, alias: AliasRef) -> bool:
        del alias
        return False

    def planes(self, model: str) -> Planes:
        assert model == MODEL
        return Planes(
            registry=self._real_registry,
            registered_model=self._mlflow.model,
            features=self.feast.store,
            base_project="delay",
            mirror_project=None,
            pipeline=self.pipeline,
            repository=self.feast.repository,
            repository_folder="features",
        )

    def recorded(self, name: str) -> Bundle:
        """Train, register and record bundle `good` or `bad`."""
        variant, inputs, formula = _MODELS[name]
        self.feast.apply(variant)
        schema, _ = capture_feature_schema(
            self.runtime, model=MODEL, service="delay", revision=None, principal=ANN
        )
        template = self._mlflow._scratch / f"template-{name}"
        save_model(template, inputs=inputs, formula=formula)
        recorded = record_bundle(
            self.runtime,
            model=MODEL,
            model_version=self._mlflow.register(template=template),
            feature_schema=schema.ref,
            service=None,
            pipeline_revision=self.pipeline.commit({"data/weather.csv": variant.encode()}),
            serving_config={},
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert recorded.bundle is not None
        return recorded.bundle

    def go_live(self, bundle: Bundle) -> None:
        """Promote *bundle*, and wait until it is live."""
        operation = self.settled(self.promote(bundle, window=_WINDOW))
        assert self.live().bundle == bundle.ref, operation

    def lift(self, bundle: Bundle) -> None:
        """Let *bundle* be promoted again, if a rollback has put it on hold."""
        with contextlib.suppress(WrongStateError):
            lift_hold(self.runtime, resource=bundle.ref, reason="once more", principal=ANN)

    def environment(self, *, address: str, folder: Path) -> dict[str, str]:
        """Return what a serving process is told; its files are in *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / "token"
        token.write_text(secret_of("serve"))
        token.chmod(0o600)
        return {
            **os.environ,
            "TRILOCK_SERVER": address,
            "TRILOCK_TOKEN_FILE": str(token),
            "ALIAS": MODEL,
            "MLFLOW": self.mlflow_uri,
            "FEATURE_REPOSITORY": str(self.feast.folder),
            "CACHE": str(folder / "cache"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONUNBUFFERED": "1",
        }


def save_model(folder: Path, *, inputs: tuple[str, ...], formula: str) -> None:
    """Save a real pyfunc that answers *formula*."""
    from mlflow.models import ModelSignature  # noqa: PLC0415 - late, it takes seconds
    from mlflow.pyfunc import save_model  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    folder.parent.mkdir(parents=True, exist_ok=True)
    code = folder.with_suffix(".py")
    code.write_text(_CODE.format(formula=formula))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like an example
        save_model(
            folder,
            python_model=str(code),
            signature=ModelSignature(
                inputs=Schema([ColSpec("double", name) for name in inputs]),
                outputs=Schema([ColSpec("double", "delay")]),
            ),
            pip_requirements=[],
        )
