"""`trilock doctor`: one line each, nothing changed, never held up."""

import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from trilock.server.commands import Diagnosis, diagnosis, doctor, init, migrate

CONNECTIONS = """
[connections.warehouse]
kind = "sink"
url = "sqlite:///warehouse.db"
[connections.gone]
kind = "sink"
url = "postgresql://writer:hunter2@127.0.0.1:1/sales"
[connections.code]
kind = "git"
repository = "code"
[connections.features]
kind = "feast"
feature_store_yaml = "features/feature_store.yaml"
[connections.registry]
kind = "mlflow"
uri = "sqlite:///mlflow.db"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TRILOCK_TOKEN_FILE", raising=False)
    # Nobody else's server.
    monkeypatch.setenv("TRILOCK_SERVER__LISTEN", f"127.0.0.1:{free_port()}")
    init(tmp_path, force=False)
    return tmp_path / "trilock.toml"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def found(config: Path) -> dict[str, Diagnosis]:
    return {diagnosis.name: diagnosis for diagnosis in doctor(config)}


def test_a_new_folder_is_well(config: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.rglob("*"))

    looks = found(config)

    assert list(looks) == ["settings", "listen", "database", "token"]
    assert all(look.ok for look in looks.values())
    assert looks["settings"].message == f"{config}: models: none yet"
    assert looks["listen"].message.endswith("no server is there, `trilock serve` starts one")
    assert looks["database"].message.endswith("not there yet, the server makes it")
    assert looks["token"].message.endswith("is the token of 'local': admin")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_settings_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    (look,) = doctor(tmp_path / "none.toml")

    assert look.message == (
        f"{tmp_path / 'none.toml'}: there is no such file; `trilock init` writes one"
    )


def test_wrong_settings_are_all_there_is_to_say(config: Path) -> None:
    config.write_text("[server]\ncolour = 1\n[tokens.x]\n")

    looks = doctor(config)

    assert [(look.name, look.ok) for look in looks] == [("settings", False)] * 3
    assert looks[1].message == f"{config}: tokens.x.sha256: is required"


def test_a_server_that_is_there_is_seen(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        monkeypatch.setenv("TRILOCK_SERVER__LISTEN", f"127.0.0.1:{server.getsockname()[1]}")
        assert found(config)["listen"].message.endswith("a server is there")


@pytest.mark.parametrize(
    ("change", "todo"),
    [
        ("DELETE FROM alembic_version", "run `trilock migrate`"),
        ("UPDATE alembic_version SET version_num = '9999'", "a newer trilock made it"),
    ],
)
def test_the_database_must_have_this_schema(
    config: Path, tmp_path: Path, change: str, todo: str
) -> None:
    migrate(config)
    assert found(config)["database"].message.endswith("reachable, its schema is this trilock's")

    with closing(sqlite3.connect(tmp_path / ".trilock/trilock.db")) as connection, connection:
        connection.execute(change)
        connection.execute("DELETE FROM program")  # else it would be a newer neighbour's

    look = found(config)["database"]
    assert not look.ok
    assert todo in look.message


def loosen(token: Path) -> None:
    token.chmod(0o644)


def replace(token: Path) -> None:
    token.write_text("another")


@pytest.mark.parametrize(
    ("change", "ok", "message"),
    [
        (loosen, False, "can be read by others: run `chmod 600"),
        (replace, True, "is not in the settings"),
        (Path.unlink, True, "calls from here need TRILOCK_TOKEN_FILE"),
    ],
)
def test_the_token(
    config: Path, tmp_path: Path, change: Callable[[Path], None], *, ok: bool, message: str
) -> None:
    change(tmp_path / ".trilock/token")

    look = found(config)["token"]

    assert look.ok is ok
    assert message in look.message


def test_a_token_file_that_is_named_must_be_there(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_TOKEN_FILE", "/nowhere/token")

    assert found(config)["token"] == Diagnosis(
        name="token", ok=False, message="TRILOCK_TOKEN_FILE is /nowhere/token, which is not there"
    )


def test_nobody_can_call_without_any_token(config: Path, tmp_path: Path) -> None:
    config.write_text("")
    (tmp_path / ".trilock/token").unlink()

    assert found(config)["token"].message == (
        "the settings have no token, nobody can call: run `trilock init`"
    )


@pytest.mark.slow
def test_connections_that_are_not_there(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + CONNECTIONS)
    before = sorted(path.name for path in tmp_path.rglob("*"))

    looks = found(config)

    assert [name for name, look in looks.items() if not look.ok] == [
        "connection code",
        "connection features",
        "connection gone",
        "connection registry",
        "connection warehouse",
    ]
    assert looks["connection code"].message == f"{tmp_path}/code is not there"
    assert "Connection refused" in looks["connection gone"].message
    assert not [
        look for look in looks.values() if "\n" in look.message or "hunter2" in look.message
    ]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_sink_that_answers(config: Path, tmp_path: Path) -> None:
    closing_connection = closing(sqlite3.connect(tmp_path / "warehouse.db"))
    with closing_connection as connection:
        connection.execute("CREATE TABLE predictions (flight TEXT)")
    text = '[connections.warehouse]\nkind = "sink"\nurl = "sqlite:///warehouse.db"\n'
    config.write_text(config.read_text() + text)

    assert found(config)["connection warehouse"] == Diagnosis(
        name="connection warehouse",
        ok=True,
        message=f"sqlite:///{tmp_path}/warehouse.db: reachable",
    )


def test_what_hangs_holds_up_nothing_and_what_breaks_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(diagnosis, "_SECONDS", 0.05)
    monkeypatch.setattr(diagnosis, "_database", lambda _: str(release.wait(10)))

    def broken(*_: object) -> str:
        message = "first\nsecond"
        raise LookupError(message)

    monkeypatch.setattr(diagnosis, "_token", broken)
    looks = found(config)
    release.set()

    assert looks["database"].message == "no answer within 0 s"
    assert looks["token"] == Diagnosis(name="token", ok=False, message="LookupError: first")


@pytest.mark.slow
def test_outside_systems_that_answer(config: Path, tmp_path: Path, mlflow_database: Path) -> None:
    from tests.support.feast_repo import SqliteWorld  # noqa: PLC0415 - imports pandas

    features = SqliteWorld(tmp_path / "features")
    features.apply("celsius")
    features.store.close()
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "code")], check=True)  # noqa: S607
    config.write_text(
        config.read_text()
        + f"""
[connections.registry]
kind = "mlflow"
uri = "sqlite:///{mlflow_database}"
[connections.features]
kind = "feast"
feature_store_yaml = "{features.yaml}"
[connections.code]
kind = "git"
repository = "code"
[models.delay-doctor]
mlflow = "registry"
feast = "features"
git = "code"
"""
    )

    looks = found(config)

    assert [look for look in looks.values() if not look.ok] == []
    assert looks["connection registry"].message == (
        f"sqlite:///{mlflow_database}: reachable; it has no registered model delay-doctor yet"
    )
    assert looks["connection features"].message == f"{features.yaml}: reachable, project delay"
    assert looks["connection code"].message == f"{tmp_path}/code: readable"
