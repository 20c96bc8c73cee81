"""MLflow's own server dies before and in the middle of a rollback: what is served does not wait."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_world import MlflowWorld, save_template
from tests.support.values import ALIAS, MODEL
from tests.support.world import World
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.ports import ModelRegistry, Planes
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.store.plane_states import list_plane_states
from trilock.server.store.releases import list_releases

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("patient_mlflow")]


class ServedRegistryWorld(World):
    """As always, but the model registry is a real MLflow behind a real server."""

    def __init__(self, folder: Path, server: MlflowServer, *, model: str) -> None:
        self.then: Callable[[str], None] = lambda _: None
        """Called at every place a crash must be survivable."""
        super().__init__(folder, at=self._come_to)
        real: ModelRegistry = MlflowModelRegistry(server.uri, time_limit=20)
        self._mlflow = MlflowWorld(
            registry=real,
            uri=server.uri,
            artifacts=server.artifacts,
            template=save_template(folder, inputs={"temp": "double"}),
            scratch=folder / "scratch",
        )
        self._mlflow.model = model

    def _come_to(self, site: str) -> None:
        self.then(site)

    def planes(self, model: str) -> Planes:
        return replace(
            super().planes(model),
            registry=self._mlflow.registry,
            registered_model=self._mlflow.model,
        )

    def train(self, *, inputs: str | None = None, variant: str = "celsius") -> tuple[str, str]:
        _, revision = super().train(variant=variant)
        return self._mlflow.register(), revision

    def alias(self) -> str | None:
        return self._mlflow.registry.alias(model=self._mlflow.model, alias="production")

    def waiting(self) -> list[str]:
        """Return the planes that do not agree with the live row yet."""
        with self.database.read() as session:
            states = list_plane_states(session, self.live())
        return [state.plane for state in states if not state.converged]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def w(
    server: MlflowServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[ServedRegistryWorld]:
    """Bundle 1 is final, bundle 2 soaks on top of it."""
    (tmp_path / "scratch").mkdir()
    made = ServedRegistryWorld(tmp_path, server, model=request.node.name)
    made.release(made.record())
    made.promote(made.record(variant="scaled"))
    made.settle()
    assert made.alias() == "2"
    yield made
    made.database.close()


def back_again(w: ServedRegistryWorld, server: MlflowServer, operation: Operation) -> Operation:
    """Start MLflow's server again; return what became of *operation*."""
    server.__enter__()
    w.runtime.journal.retry(operation.id, principal="ann")
    return w.settled(operation)


def test_killed_before_a_rollback_it_follows_when_it_is_back(
    w: ServedRegistryWorld, server: MlflowServer
) -> None:
    server.kill()

    operation = w.settled(w.roll_back().operation)  # type: ignore[arg-type]  # it is started

    assert str(w.live().bundle) == "models/delay/bundles/1"
    assert operation.state is OperationState.CONVERGING
    assert w.waiting() == ["model_alias"]
    assert back_again(w, server, operation).state is OperationState.SUCCEEDED
    assert w.alias() == "1"


def test_killed_while_its_alias_is_moved_it_follows_when_it_is_back(
    w: ServedRegistryWorld, server: MlflowServer
) -> None:
    def kill(site: str) -> None:
        if site == "model_alias:noted":
            w.then = lambda _: None
            server.kill()

    w.then = kill

    operation = w.settled(w.roll_back().operation)  # type: ignore[arg-type]  # it is started

    assert str(w.live().bundle) == "models/delay/bundles/1"
    assert w.waiting() == ["model_alias"]
    assert back_again(w, server, operation).state is OperationState.SUCCEEDED
    assert w.alias() == "1"


def test_two_rollbacks_while_it_is_down_end_on_the_newest(
    w: ServedRegistryWorld, server: MlflowServer
) -> None:
    w.finalize()
    w.settle()
    w.promote(w.record())
    w.settle()
    assert w.alias() == "3"
    server.kill()

    first = w.settled(w.roll_back().operation)  # type: ignore[arg-type]  # it is started
    assert str(w.live().bundle) == "models/delay/bundles/2"
    second = w.settled(
        w.roll_back(to_bundle=BundleRef(MODEL, 1)).operation  # type: ignore[arg-type]  # started
    )

    assert str(w.live().bundle) == "models/delay/bundles/1"
    assert back_again(w, server, second).state is OperationState.SUCCEEDED
    assert w.runtime.journal.get(first.id).state is OperationState.SUPERSEDED
    assert w.alias() == "1"
    assert w.waiting() == []
    assert [str(bundle) for bundle in history(w)] == [
        "models/delay/bundles/1",
        "models/delay/bundles/2",
        "models/delay/bundles/3",
        "models/delay/bundles/2",
        "models/delay/bundles/1",
    ]


def history(w: ServedRegistryWorld) -> list[BundleRef]:
    """Return what was live, oldest first."""
    with w.database.read() as session:
        releases = list_releases(session, alias=ALIAS, offset=0, limit=10)
    return [release.bundle for release in sorted(releases, key=lambda r: r.ref.number)]
