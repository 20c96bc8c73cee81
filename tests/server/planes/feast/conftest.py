"""Worlds with real Feast, for tests that look closer than the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.feast_repo import FeastWorld, PostgresWorld, SqliteWorld


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeastWorld]:
    """Registry and online store in one database."""
    folder = tmp_path / "feast"
    world: FeastWorld
    if request.param == "sqlite":
        world = SqliteWorld(folder, online="registry.db")
    else:
        url = make_url(request.getfixturevalue("postgres_database"))
        world = PostgresWorld(folder, url=url)
    yield world
    world.close()


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[SqliteWorld]:
    """Registry and online store in two files."""
    world = SqliteWorld(tmp_path / "feast")
    yield world
    world.close()


@pytest.fixture
def postgres_world(tmp_path: Path, postgres_database: str) -> Iterator[PostgresWorld]:
    """Registry and online store in one database."""
    world = PostgresWorld(tmp_path / "feast", url=make_url(postgres_database))
    yield world
    world.close()
