"""A real model is loaded in a process of its own, which ends in time."""

from pathlib import Path
from unittest import mock

import pytest

from tests.support.mlflow_world import MlflowWorld
from trilock.server.planes.mlflow.loading import load_in_worker
from trilock.server.planes.mlflow.runtime import import_mlflow

pytestmark = pytest.mark.slow

LOADER = """
class Model:
    def predict(self, frame):
        return frame

def _load_pyfunc(path):
    return Model()
"""


def load(world: MlflowWorld, version: str, *, seconds: float = 120.0) -> str:
    return load_in_worker(world._uri, model=world.model, version=version, seconds=seconds)


def test_what_loads_and_what_does_not_are_told_apart(
    sqlite_world: MlflowWorld, tmp_path: Path
) -> None:
    """The usual version has no loader; another one has, in code of its own."""
    import_mlflow()
    from mlflow.pyfunc import save_model  # noqa: PLC0415 - late, it takes seconds

    broken = sqlite_world.register()
    code = tmp_path / "good_loader.py"
    code.write_text(LOADER)
    save_model(
        tmp_path / "good",
        loader_module="good_loader",
        data_path=str(code),
        code_paths=[str(code)],
        pip_requirements=[],
    )
    with mock.patch.object(sqlite_world, "_template", tmp_path / "good"):
        good = sqlite_world.register()

    assert load(sqlite_world, good) == ""
    assert load(sqlite_world, broken) == (
        "AttributeError: module 'json' has no attribute '_load_pyfunc'"
    )


def test_a_load_that_takes_too_long_is_ended(sqlite_world: MlflowWorld) -> None:
    version = sqlite_world.register()

    assert load(sqlite_world, version, seconds=0.01) == "it took longer than 0.01 s"


def test_the_port_names_the_version(sqlite_world: MlflowWorld) -> None:
    captured = sqlite_world.registry.capture(
        model=sqlite_world.model, version=sqlite_world.register()
    )

    (problem,) = sqlite_world.registry.load(captured, seconds=0.01)

    assert problem == (
        f"version 1 of model {sqlite_world.model!r} cannot be loaded: it took longer than 0.01 s"
    )
