"""A populated SQLite database for each test, and a world on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operations import MemoryOutside, World, hasty, populate
from trilock.server.store.database import Database


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("populated") / "trilock.db"
    database = Database(f"sqlite:///{file}")
    populate(database)
    database.close()
    return file


@pytest.fixture
def database(populated: Path, tmp_path: Path) -> Iterator[Database]:
    file = tmp_path / "trilock.db"
    shutil.copy(populated, file)
    database = hasty(Database(f"sqlite:///{file}"))
    yield database
    database.close()


@pytest.fixture
def outside() -> MemoryOutside:
    return MemoryOutside()


@pytest.fixture
def world(database: Database, outside: MemoryOutside) -> World:
    return World(database, outside)
