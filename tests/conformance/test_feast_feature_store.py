"""Feast keeps the contract: SQLite with two files, PostgreSQL with one database."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.conformance.feature_store import (
    FeatureRepositoryContract,
    FeatureStoreContract,
    FeatureWorld,
)
from tests.support.feast_repo import FeastRepo, InlineWorker, features_py
from trilock.server.planes.feast_feature_store import FeastFeatureStore

pytestmark = pytest.mark.slow


class FeastWorld(FeastRepo):
    """A Feast repository, and the store under test on top of it."""

    def __init__(
        self,
        folder: Path,
        *,
        registry: str,
        online_store: Mapping[str, object],
        inline: bool = True,
    ) -> None:
        super().__init__(folder, registry=registry, online_store=online_store)
        self.repository = folder / "git"
        self.store = FeastFeatureStore(
            self.yaml, worker_timeout=60.0, worker=InlineWorker() if inline else None
        )

    def temp(self, project: str, *, origin: str) -> object:
        return self.serve(project, origin=origin)["temp"]

    def commit(self, variant: str) -> str:
        return self.commit_text(features_py(variant))


class SqliteWorld(FeastWorld):
    def __init__(self, folder: Path, *, inline: bool = True) -> None:
        self.file = folder / "registry.db"
        online = {"type": "sqlite", "path": "online.db"}
        super().__init__(
            folder, registry=f"sqlite:///{self.file}", online_store=online, inline=inline
        )

    def break_down(self) -> None:
        self.file.unlink()
        self.file.mkdir()
        self.store.close()


class PostgresWorld(FeastWorld):
    def __init__(self, folder: Path, *, url: URL) -> None:
        self.url = url
        online = {
            "type": "postgres",
            "host": str(url.query["host"]),
            "database": url.database,
            "db_schema": "features",
            "user": url.username,
            "password": "",
            "sslmode": "disable",
        }
        registry = url.set(drivername="postgresql+psycopg").render_as_string()
        super().__init__(folder, registry=registry, online_store=online)

    def break_down(self) -> None:
        server = self.url.set(database="postgres", drivername="postgresql")
        with psycopg.connect(server.render_as_string(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(
                    sql.Identifier(str(self.url.database))
                )
            )
        self.store.close()


class TestFeastOnSqlite(FeatureStoreContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast")
        yield world
        world.store.close()


class TestFeastOnPostgres(FeatureStoreContract):
    @pytest.fixture
    def world(self, tmp_path: Path, postgres_database: str) -> Iterator[FeatureWorld]:
        world = PostgresWorld(tmp_path / "feast", url=make_url(postgres_database))
        yield world
        world.store.close()


class TestFeastRepository(FeatureRepositoryContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FeatureWorld]:
        world = SqliteWorld(tmp_path / "feast", inline=False)
        yield world
        world.store.close()
