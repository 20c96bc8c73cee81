"""What is particular to MLflow: its tags, its shared process, its ways to fail."""

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_world import MlflowWorld
from tests.support.tcp_proxy import TcpProxy
from trilock.server.domain.errors import (
    ForeignEditError,
    NotFoundError,
    PlaneUnavailableError,
    UndecidableError,
)
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("patient_mlflow")]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_tags_of_the_run_are_found_where_the_version_has_none(sqlite_world: MlflowWorld) -> None:
    run = sqlite_world.client.create_run(
        sqlite_world.experiment(),
        tags={"mlflow.source.git.commit": COMMIT, "feast.feature_service": "delay_v1"},
    )
    version = sqlite_world.register(run_id=run.info.run_id)

    captured = sqlite_world.registry.capture(model=sqlite_world.model, version=version)

    assert captured.run_id == run.info.run_id
    assert (captured.source_commit, captured.feature_service) == (COMMIT, "delay_v1")


def test_the_tag_nearest_to_the_version_wins(sqlite_world: MlflowWorld) -> None:
    run = sqlite_world.client.create_run(
        sqlite_world.experiment(),
        tags={"mlflow.source.git.commit": COMMIT, "feast.feature_service": "old"},
    )
    version = sqlite_world.register(run_id=run.info.run_id, feature_service="delay_v1")

    captured = sqlite_world.registry.capture(model=sqlite_world.model, version=version)

    assert (captured.source_commit, captured.feature_service) == (COMMIT, "delay_v1")


def test_a_version_outlives_its_logged_model(sqlite_world: MlflowWorld) -> None:
    version = sqlite_world.register()
    captured = sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    sqlite_world.client.delete_logged_model(str(captured.model_id))

    assert sqlite_world.registry.verify(captured) == ()
    assert sqlite_world.registry.capture(model=sqlite_world.model, version="1") == captured


def test_a_copy_of_a_version_is_known_by_the_model_it_is_a_copy_of(
    sqlite_world: MlflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = sqlite_world.register(source_commit=COMMIT)
    original = sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    target = f"{sqlite_world.model}-copy"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_world._uri)
    sqlite_world.client.copy_model_version(f"models:/{sqlite_world.model}/{version}", target)

    copied = sqlite_world.registry.capture(model=target, version="1")

    assert (copied.model_id, copied.source_commit) == (original.model_id, COMMIT)
    assert copied.mlmodel_sha256 == original.mlmodel_sha256
    assert sqlite_world.registry.verify(copied) == ()


def test_what_mlflow_writes_into_the_artifacts_on_a_download_is_no_file(
    sqlite_world: MlflowWorld,
) -> None:
    version = sqlite_world.register()
    before = sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    sqlite_world.write_file(version, "registered_model_meta", b"model_name: delay")

    assert sqlite_world.registry.capture(model=sqlite_world.model, version=version) == before


def test_looking_writes_nothing_into_the_artifacts(sqlite_world: MlflowWorld) -> None:
    version = sqlite_world.register()
    before = sorted(path for path in sqlite_world.folder(version).rglob("*"))
    captured = sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    sqlite_world.registry.verify(captured)

    assert sorted(path for path in sqlite_world.folder(version).rglob("*")) == before


def test_a_broken_mlmodel_is_refused_in_one_line(sqlite_world: MlflowWorld) -> None:
    version = sqlite_world.register()
    captured = sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    sqlite_world.write_file(version, "MLmodel", b"{")

    with pytest.raises(UndecidableError, match=r"'MLmodel': it is not YAML \(line \d\)$"):
        sqlite_world.registry.capture(model=sqlite_world.model, version=version)
    assert "it is not YAML" in sqlite_world.registry.verify(captured)[0]


def test_an_alias_that_another_moves_at_the_same_time_is_a_foreign_edit(
    sqlite_world: MlflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = sqlite_world.registry
    for _ in range(3):
        sqlite_world.register()
    registry.set_alias(model=sqlite_world.model, alias="production", version="1")
    assert isinstance(registry, MlflowModelRegistry)
    ours = registry._client
    assert ours is not None
    put = ours.set_registered_model_alias

    def put_and_be_overtaken(model: str, alias: str, version: str) -> None:
        put(model, alias, version)
        put(model, alias, "3")

    monkeypatch.setattr(ours, "set_registered_model_alias", put_and_be_overtaken)

    with pytest.raises(ForeignEditError) as caught:
        registry.set_alias(model=sqlite_world.model, alias="production", version="2")
    assert (caught.value.metadata["expected"], caught.value.metadata["found"]) == ("2", "3")


def test_an_alias_that_is_set_already_is_not_written_again(
    sqlite_world: MlflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = sqlite_world.registry
    sqlite_world.register()
    registry.set_alias(model=sqlite_world.model, alias="production", version="1")
    assert isinstance(registry, MlflowModelRegistry)
    monkeypatch.setattr(registry._client, "set_registered_model_alias", None)

    registry.set_alias(model=sqlite_world.model, alias="production", version="1")


def test_a_database_that_somebody_locked_is_unavailable_in_time(
    sqlite_world: MlflowWorld, mlflow_database: Path
) -> None:
    version = sqlite_world.register()
    registry = MlflowModelRegistry(f"sqlite:///{mlflow_database}", time_limit=0.5)
    with sqlite3.connect(mlflow_database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(PlaneUnavailableError, match=r"no answer within 0\.5 s"):
                registry.set_alias(model=sqlite_world.model, alias="production", version=version)
        finally:
            other.execute("ROLLBACK")
    for thread in threading.enumerate():
        if thread.name == "mlflow-call":
            thread.join(30)

    found = sqlite_world.registry.alias(model=sqlite_world.model, alias="production")
    assert found is None  # it was given up before it wrote


def test_a_database_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "wrong" / "mlflow.sqlite"
    registry = MlflowModelRegistry(f"sqlite:///{path}")

    with pytest.raises(PlaneUnavailableError, match="SQLite file is not there"):
        registry.alias(model="delay", alias="production")
    assert not path.parent.exists()


def test_warming_up_does_not_mind_that_nobody_answers() -> None:
    MlflowModelRegistry("http://127.0.0.1:9").warm()


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("http://user:secret@127.0.0.1:9", "connection refused"),
        ("sqlserver+nothing://user:secret@127.0.0.1/x", ""),
    ],
)
def test_an_error_has_one_line_and_no_credentials(uri: str, what: str) -> None:
    with pytest.raises(PlaneUnavailableError) as caught:
        MlflowModelRegistry(uri, name="registry").alias(model="delay", alias="production")

    message = str(caught.value)
    assert message.startswith(f"registry does not answer: {what}")
    assert "secret" not in message
    assert "\n" not in message


def test_a_404_of_something_else_does_not_mean_that_a_version_is_gone(
    mlflow_server: MlflowServer,
) -> None:
    registry = MlflowModelRegistry(f"{mlflow_server.uri}/behind/some/proxy")

    with pytest.raises(PlaneUnavailableError):
        registry.alias(model="delay", alias="production")


def test_a_server_that_sends_nothing_is_given_up_after_the_limit(
    mlflow_server: MlflowServer,
) -> None:
    with TcpProxy(("127.0.0.1", mlflow_server.port)) as proxy:
        proxy.hang()
        registry = MlflowModelRegistry(f"http://127.0.0.1:{proxy.port}", time_limit=0.3)

        with pytest.raises(PlaneUnavailableError, match=r"no answer within 0\.3 s"):
            registry.alias(model="delay", alias="production")


def test_a_server_that_is_killed_is_unavailable(tmp_path: Path) -> None:
    with MlflowServer(tmp_path) as server:
        registry = MlflowModelRegistry(server.uri, time_limit=60)
        with pytest.raises(NotFoundError):
            registry.alias(model="delay", alias="production")
        server.kill()

        with pytest.raises(PlaneUnavailableError, match="connection"):
            registry.alias(model="delay", alias="production")


def test_many_threads_share_one_registry(sqlite_world: MlflowWorld) -> None:
    sqlite_world.register()
    start = threading.Barrier(8)

    def work(number: int) -> str | None:
        start.wait()
        alias = f"thread-{number}"
        sqlite_world.registry.set_alias(model=sqlite_world.model, alias=alias, version="1")
        return sqlite_world.registry.alias(model=sqlite_world.model, alias=alias)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == ["1"] * 8


_SILENT = """
import logging, os, sys, threading
from pathlib import Path
from trilock.server.domain.errors import TrilockError
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.planes.mlflow.runtime import import_mlflow

assert "mlflow" not in sys.modules, "imported at module import time"
environment = dict(os.environ)
streams = sys.stdout, sys.stderr
import_mlflow()
assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "2"
assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "60"  # this machine may be busy

def use(uri):
    registry = MlflowModelRegistry(uri, time_limit=60)
    registry.warm()
    captured = registry.capture(model=MODEL, version="1")
    assert registry.verify(captured) == ()
    registry.set_alias(model=MODEL, alias="production", version="1")
    registry.set_alias(model=MODEL, alias="production", version=None)
    try:
        MlflowModelRegistry("http://127.0.0.1:9").alias(model=MODEL, alias="production")
    except TrilockError:
        done.append(uri)

MODEL, *uris = sys.argv[1:]
done = []
threads = [threading.Thread(target=use, args=(uri,)) for uri in uris]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

assert sorted(done) == sorted(uris), done
assert (sys.stdout, sys.stderr) == streams
assert list(Path.cwd().iterdir()) == [], "something was made in the working folder"
new = {key for key in os.environ if environment.get(key) != os.environ[key]}
assert {key for key in new if not key.startswith("MLFLOW_")} == set(), new
assert "MLFLOW_TRACKING_URI" not in os.environ and "MLFLOW_REGISTRY_URI" not in os.environ
noisy = [
    name
    for name in logging.root.manager.loggerDict
    for handler in logging.getLogger(name).handlers
    if not isinstance(handler, logging.NullHandler)
]
assert noisy == [], noisy
assert logging.root.handlers == []
"""


def test_mlflow_leaves_the_process_as_it_was_and_says_nothing(
    sqlite_world: MlflowWorld, mlflow_server: MlflowServer, saved_model: Path, tmp_path: Path
) -> None:
    served = MlflowWorld(
        registry=MlflowModelRegistry(mlflow_server.uri),
        uri=mlflow_server.uri,
        artifacts=mlflow_server.artifacts,
        template=saved_model,
        scratch=tmp_path,
    )
    sqlite_world.model = served.model
    served.register()
    sqlite_world.register()
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW", "PROM"))
    }

    result = subprocess.run(
        [sys.executable, "-c", _SILENT, served.model, served._uri, sqlite_world._uri],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
