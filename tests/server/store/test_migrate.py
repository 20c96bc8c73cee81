"""The schema comes up whole, or stays as it was."""

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from trilock.server.domain.errors import SchemaOutdatedError
from trilock.server.store import migrate, tables
from trilock.server.store.counters import begin_generation
from trilock.server.store.database import Database

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002_second"
down_revision = "0001_initial"


def upgrade() -> None:
    with op.batch_alter_table("operation", recreate="auto") as batch:
        batch.alter_column("model", existing_type=sa.String(63), type_=sa.String(80))
    {more}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'trilock.db'}")
    yield database
    database.close()


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newer trilock, with one more script; the file of the script."""
    scripts = tmp_path / "scripts"
    shutil.copytree(migrate._SCRIPTS, scripts)
    script = scripts / "versions" / "0002_second.py"
    script.write_text(SECOND.format(more=""))
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    monkeypatch.setattr(migrate, "HEAD", "0002_second")
    return script


def only_first(database: Database) -> None:
    """Bring *database* to where the trilock before the newer one left it, with a row in use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "HEAD", "0001_initial")
        migrate.upgrade(database)
    with database.write() as session:
        begin_generation(session)
        session.add(
            tables.OperationRow(
                id="1",
                request_id="r",
                request_hash="h",
                kind="PROMOTE",
                model="delay",
                alias="production",
                plan={},
                plan_version=1,
                scopes=[],
                state="SUCCEEDED",
                cause={},
                created_ms=1,
            )
        )
        session.flush()
        session.add(tables.LockRow(scope="s", operation="1"))


def schema(engine: sa.Engine) -> dict[str, Any]:
    """Return what the database says of its tables, in a form that compares."""
    inspector = sa.inspect(engine)

    def named(items: list[Any]) -> list[str]:
        return sorted(repr(sorted(dict(item).items(), key=str)) for item in items)

    return {
        table: {
            "columns": named(
                [
                    {k: str(v) for k, v in column.items() if k in {"name", "type", "nullable"}}
                    for column in inspector.get_columns(table)
                ]
            ),
            "key": sorted(inspector.get_pk_constraint(table)["constrained_columns"]),
            "unique": named(inspector.get_unique_constraints(table)),
            "checks": named(inspector.get_check_constraints(table)),
            "foreign": named(inspector.get_foreign_keys(table)),
            "indexes": named(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def assert_equal_to_tables(migrated: Database, made: Database) -> None:
    migrate.upgrade(migrated)
    SQLModel.metadata.create_all(made.engine)

    assert schema(migrated.engine) == schema(made.engine)
    with migrated.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_scripts_make_what_the_tables_say(database: Database, tmp_path: Path) -> None:
    made = Database(f"sqlite:///{tmp_path / 'made.db'}")

    assert_equal_to_tables(database, made)
    made.close()


@pytest.mark.slow
def test_the_scripts_make_what_the_tables_say_on_postgresql(
    postgres_database: str, postgres_url: str
) -> None:
    migrated = Database(postgres_database)
    made = Database(postgres_database)
    with made.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA made"))

    @sa.event.listens_for(made.engine, "connect")
    def _use(connection: Any, _: object) -> None:
        connection.execute("SET search_path = made")
        connection.commit()

    made.engine.dispose()
    try:
        assert_equal_to_tables(migrated, made)
    finally:
        migrated.close()
        made.close()


def test_the_known_head_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate._SCRIPTS))

    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


def test_an_empty_database_comes_up(database: Database) -> None:
    assert migrate.current(database) is None
    with pytest.raises(SchemaOutdatedError, match="has schema none"):
        migrate.require_current(database)

    assert migrate.upgrade(database) is None

    assert migrate.current(database) == migrate.head()
    migrate.require_current(database)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'trilock.db'}")

    migrate.upgrade(database)

    assert migrate.current(database) == migrate.head()
    database.close()


def test_an_up_to_date_database_costs_no_import(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(database)
    monkeypatch.setitem(sys.modules, "alembic", None)

    assert migrate.upgrade(database) is None


def test_a_newer_database_is_refused_and_stays(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.connection().execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        session.connection().execute(sa.text("UPDATE program SET schema = '9998'"))

    with pytest.raises(SchemaOutdatedError) as caught:
        migrate.upgrade(database)
    with pytest.raises(SchemaOutdatedError):
        migrate.require_current(database)

    assert dict(caught.value.metadata) == {"found": "9999", "wanted": "0001_initial"}
    assert str(caught.value).endswith(
        "a newer trilock made it: run that one, or go back to a copy from before"
    )
    assert migrate.current(database) == "9999"
    assert database.path is not None
    assert list(database.path.parent.glob("*.before-*")) == []


def test_a_newer_schema_on_which_this_program_works_stays(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.connection().execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
        session.connection().execute(sa.text("INSERT INTO program VALUES ('0002')"))

    migrate.require_current(database)
    assert migrate.upgrade(database) is None

    assert migrate.current(database) == "0002"


def test_a_script_can_be_taken_back(database: Database) -> None:
    migrate.upgrade(database)
    config = Config()
    config.set_main_option("script_location", str(migrate._SCRIPTS))

    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert sa.inspect(database.engine).get_table_names() == ["alembic_version"]


@pytest.mark.usefixtures("second")
class TestUpgrade:
    def test_a_copy_is_made_first_that_begins_a_new_generation(self, database: Database) -> None:
        only_first(database)

        copy = migrate.upgrade(database)

        assert copy is not None
        assert copy.name == "trilock.db.before-0002_second"
        assert migrate.current(database) == "0002_second"
        copied = Database(f"sqlite:///{copy}")
        assert migrate.current(copied) == "0001_initial"
        with copied.read() as session:
            store = session.get(tables.StoreRow, 1)
            assert store is not None
            assert store.restored
        copied.close()
        with database.read() as session:
            store = session.get(tables.StoreRow, 1)
            assert store is not None
            assert not store.restored

    def test_a_table_that_others_refer_to_can_be_altered(self, database: Database) -> None:
        only_first(database)

        migrate.upgrade(database)

        with database.read() as session:
            assert session.get(tables.OperationRow, "1") is not None
            lock = session.get(tables.LockRow, "s")
            assert lock is not None
            assert lock.operation == "1"

    def test_references_are_checked_again_afterwards(self, database: Database) -> None:
        only_first(database)
        migrate.upgrade(database)

        with pytest.raises(sa.exc.IntegrityError), database.write() as session:
            session.add(tables.LockRow(scope="t", operation="nobody"))


def test_a_script_that_fails_changes_nothing(database: Database, second: Path) -> None:
    only_first(database)
    before = schema(database.engine)
    second.write_text(SECOND.format(more="raise ZeroDivisionError"))

    with pytest.raises(ZeroDivisionError):
        migrate.upgrade(database)

    assert migrate.current(database) == "0001_initial"
    assert schema(database.engine) == before


def test_a_script_that_breaks_a_reference_changes_nothing(database: Database, second: Path) -> None:
    only_first(database)
    second.write_text(SECOND.format(more="op.execute('DELETE FROM operation')"))

    with pytest.raises(RuntimeError, match="broke references"):
        migrate.upgrade(database)

    assert migrate.current(database) == "0001_initial"
    with database.read() as session:
        assert session.get(tables.OperationRow, "1") is not None


@pytest.mark.slow
def test_replicas_that_migrate_at_once_do_it_once(postgres_database: str) -> None:
    databases = [Database(postgres_database) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, databases))

    assert [migrate.current(database) for database in databases] == [migrate.head()] * 4
    for database in databases:
        database.close()


@pytest.mark.slow
def test_a_script_that_fails_on_postgresql_changes_nothing(
    postgres_database: str, second: Path
) -> None:
    database = Database(postgres_database)
    only_first(database)
    before = schema(database.engine)
    second.write_text(SECOND.format(more="raise ZeroDivisionError"))

    with suppress(ZeroDivisionError):
        migrate.upgrade(database)

    assert migrate.current(database) == "0001_initial"
    assert schema(database.engine) == before
    database.close()
