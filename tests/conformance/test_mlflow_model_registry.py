"""MLflow keeps the contract, through its database and through its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.model_registry import ModelRegistryContract, RegistryOutageContract
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_world import MlflowWorld
from tests.support.tcp_proxy import TcpProxy
from trilock.server.planes.mlflow_model_registry import MlflowModelRegistry

pytestmark = pytest.mark.slow


class _ProxiedWorld(MlflowWorld):
    """A server that is reached through a proxy, while the others reach it directly."""

    proxy: TcpProxy

    def stop(self) -> None:
        self.proxy.refuse()

    def start(self) -> None:
        self.proxy.forward()

    def lose_answers(self) -> None:
        self.proxy.lose_answers(b"POST ")


@pytest.fixture
def proxied_world(
    mlflow_server: MlflowServer,
    saved_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[_ProxiedWorld]:
    # One second, so that a silence is over soon; the product waits two.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with TcpProxy(("127.0.0.1", mlflow_server.port)) as proxy:
        world = _ProxiedWorld(
            registry=MlflowModelRegistry(f"http://127.0.0.1:{proxy.port}"),
            uri=mlflow_server.uri,
            artifacts=mlflow_server.artifacts,
            template=saved_model,
            scratch=tmp_path,
        )
        world.proxy = proxy
        yield world


class TestMlflowDatabase(ModelRegistryContract):
    @pytest.fixture
    def world(self, sqlite_world: MlflowWorld) -> MlflowWorld:
        return sqlite_world


class TestMlflowServer(ModelRegistryContract):
    @pytest.fixture
    def world(self, mlflow_world: MlflowWorld) -> MlflowWorld:
        return mlflow_world


class TestMlflowServerOutage(RegistryOutageContract):
    @pytest.fixture
    def world(self, proxied_world: _ProxiedWorld) -> _ProxiedWorld:
        return proxied_world


class TestMlflowServerThatHangs(RegistryOutageContract):
    @pytest.fixture
    def world(self, proxied_world: _ProxiedWorld, monkeypatch: pytest.MonkeyPatch) -> _ProxiedWorld:
        monkeypatch.setattr(proxied_world, "stop", proxied_world.proxy.hang)
        return proxied_world
