"""`trilock migrate`, `trilock backup` and `trilock restored`."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trilock.server.commands import backup, init, migrate, restored
from trilock.server.domain.errors import AlreadyExistsError, NotFoundError, PreconditionError
from trilock.server.settings import load_settings
from trilock.server.store.counters import allot_revision, begin_generation, generation, revision
from trilock.server.store.database import Database, DatabaseInUseError, FileLock
from trilock.server.store.migrate import head


@pytest.fixture
def config(tmp_path: Path) -> Path:
    init(tmp_path, force=False)
    return tmp_path / "trilock.toml"


def database_of(config: Path) -> Path:
    url = load_settings(config).database.url.get_secret_value()
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def database(config: Path) -> Iterator[Database]:
    """A database at revision 3, open."""
    migrate(config)
    with closing(Database(f"sqlite:///{database_of(config)}")) as database:
        for _ in range(3):
            with database.write() as session:
                begin_generation(session)
                allot_revision(session)
        yield database


def test_migrate_makes_the_schema_once(config: Path) -> None:
    url = f"sqlite:///{database_of(config)}"

    assert migrate(config) == f"{url} has schema {head()} now, it had none"
    assert migrate(config) == f"{url} has schema {head()} already"


def test_migrate_leaves_a_running_servers_file_alone(config: Path) -> None:
    with FileLock(database_of(config)), pytest.raises(DatabaseInUseError, match="stop it first"):
        migrate(config)


@pytest.mark.slow
def test_migrate_on_postgresql(
    config: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_DATABASE__URL", postgres_database)

    assert migrate(config).endswith(f"has schema {head()} now, it had none")
    assert migrate(config).endswith(f"has schema {head()} already")


def test_a_backup_of_a_database_in_use_is_whole_and_begins_a_new_generation(
    config: Path, database: Database, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    with database.read() as session:
        first = generation(session)

    told = backup(config, target)
    with database.write() as session:
        allot_revision(session)

    assert told == f"copied {database_of(config)} to {target}, {target.stat().st_size} bytes"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "copy.db",
        "trilock.toml",
    ]
    with closing(Database(f"sqlite:///{target}")) as copy, copy.write() as session:
        assert revision(session) == 3
        assert begin_generation(session) > first
    with database.write() as session:
        assert begin_generation(session) == first


def test_a_backup_replaces_nothing(config: Path, database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")

    with pytest.raises(AlreadyExistsError, match="choose another file"):
        backup(config, target)

    assert target.read_text() == "mine"
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_of_nothing(config: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="a server makes it when it first starts"):
        backup(config, tmp_path / "copy.db")

    assert not database_of(config).exists()


def test_a_backup_of_something_else(config: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database_of(config))) as other:
        other.execute("CREATE TABLE mine (id)")

    with pytest.raises(PreconditionError, match="cannot copy"):
        backup(config, tmp_path / "copy.db")

    assert not list(tmp_path.glob("copy.db*"))


def test_a_backup_where_nothing_can_be_written(
    config: Path, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(PreconditionError, match="No such file or directory"):
        backup(config, tmp_path / "no" / "copy.db")


def test_a_backup_of_postgresql_is_pg_dumps(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_DATABASE__URL", "postgresql://trilock@localhost/trilock")

    with pytest.raises(PreconditionError, match="copy it with pg_dump"):
        backup(config, tmp_path / "copy.db")


def test_a_database_that_was_put_back_begins_a_new_generation(
    config: Path, database: Database
) -> None:
    with database.read() as session:
        before = generation(session)

    assert restored(config) == (
        f"sqlite:///{database_of(config)} is marked as restored: the next server that is started "
        "on it begins a new generation, and drives every plane again"
    )
    restored(config)  # twice is once

    with database.write() as session:
        assert begin_generation(session) > before
    with database.write() as session:
        begun = begin_generation(session)
    with database.write() as session:
        assert begin_generation(session) == begun, "it was marked for one start"


def test_what_a_server_runs_on_was_not_just_put_back(config: Path, database: Database) -> None:
    with FileLock(database_of(config)), pytest.raises(DatabaseInUseError, match="stop it first"):
        restored(config)

    with database.read() as session:
        before = generation(session)
    with database.write() as session:
        assert begin_generation(session) == before


def test_a_database_that_nobody_has_used_is_no_copy(config: Path) -> None:
    with pytest.raises(NotFoundError, match="there is nothing to mark"):
        restored(config)

    migrate(config)

    with pytest.raises(NotFoundError, match="no server was ever started on this database"):
        restored(config)


@pytest.mark.slow
def test_a_postgresql_that_was_put_back(
    config: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_DATABASE__URL", postgres_database)
    migrate(config)
    with closing(Database(postgres_database)) as database:
        with database.write() as session:
            before = begin_generation(session)

        restored(config)

        with database.write() as session:
            assert begin_generation(session) > before
