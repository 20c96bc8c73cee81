"""Feast keeps the contract: SQLite with two files, PostgreSQL with one database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conformance.feature_store import (
    FeatureRepositoryContract,
    FeatureStoreContract,
    FeatureWorld,
)
from tests.support.feast_repo import PostgresWorld, SqliteWorld, feast_warnings
from trilock.server.planes.feast_process import WorkerProcess

pytestmark = [pytest.mark.slow, feast_warnings]


class TestFeastOnSqlite(FeatureStoreContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast")
        yield world
        world.close()


class TestFeastOnPostgres(FeatureStoreContract):
    @pytest.fixture
    def world(self, tmp_path: Path, postgres_database: str) -> Iterator[FeatureWorld]:
        world = PostgresWorld(tmp_path / "feast", url=make_url(postgres_database))
        yield world
        world.close()


class TestFeastRepository(FeatureRepositoryContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast", worker=WorkerProcess(timeout=60.0))
        yield world
        world.close()
