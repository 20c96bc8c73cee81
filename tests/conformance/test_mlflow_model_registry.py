"""MLflow keeps the contract, through its database and through its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.model_registry import ModelRegistryContract, RegistryOutageContract
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_world import MlflowWorld
from tests.support.tcp_proxy import TcpProxy
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry

pytestmark = pytest.mark.slow


class _ProxiedWorld(MlflowWorld):
    """A server that is reached through a proxy, while the others reach it directly."""

    proxy: TcpProxy
    monkeypatch: pytest.MonkeyPatch

    def stop(self) -> None:
        self.proxy.refuse()

    def start(self) -> None:
        self._wait(60)
        self.proxy.forward()

    def lose_answers(self) -> None:
        self._wait(1)  # for an answer that never comes
        self.proxy.lose_answers(b"POST ")

    def _wait(self, seconds: int) -> None:
        self.monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(seconds))


class _SilentWorld(_ProxiedWorld):
    """The same, but it hangs where the other refuses."""

    def stop(self) -> None:
        self._wait(1)
        self.proxy.hang()


@pytest.fixture
def proxied_world(
    request: pytest.FixtureRequest,
    mlflow_server: MlflowServer,
    saved_model: Path,
    tmp_path: Path,
    patient_mlflow: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[_ProxiedWorld]:
    kind: type[_ProxiedWorld] = getattr(request, "param", _ProxiedWorld)
    with TcpProxy(("127.0.0.1", mlflow_server.port)) as proxy:
        world = kind(
            registry=MlflowModelRegistry(f"http://127.0.0.1:{proxy.port}", time_limit=60),
            uri=mlflow_server.uri,
            artifacts=mlflow_server.artifacts,
            template=saved_model,
            scratch=tmp_path,
        )
        world.proxy = proxy
        world.monkeypatch = monkeypatch
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


@pytest.mark.parametrize("proxied_world", [_SilentWorld], indirect=True, ids=["hangs"])
class TestMlflowServerThatHangs(RegistryOutageContract):
    @pytest.fixture
    def world(self, proxied_world: _ProxiedWorld) -> _ProxiedWorld:
        return proxied_world
