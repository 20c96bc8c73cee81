"""Feast keeps the contract: SQLite with two files, PostgreSQL with one database, a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conformance.feature_definitions import FeatureDefinitionsContract
from tests.conformance.feature_repository import FeatureRepositoryContract
from tests.conformance.feature_values import FeatureValuesContract
from tests.support.feast_repo import (
    FileWorld,
    ForkWorker,
    PostgresWorld,
    SqliteWorld,
    feast_warnings,
)
from tests.support.feature_world import FeatureWorld

pytestmark = [pytest.mark.slow, feast_warnings]


class TestFeastOnSqlite(FeatureDefinitionsContract, FeatureValuesContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast")
        yield world
        world.close()


class TestFeastOnPostgres(FeatureDefinitionsContract, FeatureValuesContract):
    @pytest.fixture
    def world(self, tmp_path: Path, postgres_database: str) -> Iterator[FeatureWorld]:
        world = PostgresWorld(tmp_path / "feast", url=make_url(postgres_database))
        yield world
        world.close()


class TestFeastOnAFile(FeatureDefinitionsContract, FeatureValuesContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = FileWorld(tmp_path / "feast")
        yield world
        world.close()


class TestFeastRepository(FeatureRepositoryContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast", worker=ForkWorker())
        yield world
        world.close()
