"""The registry and the online store of one `feature_store.yaml`, and what both are needed for."""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import URL

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import ViewState
from trilock.server.planes.feast import deploy
from trilock.server.planes.feast.config import (
    FeastConfig,
    FileRegistryConfig,
    OtherOnlineConfig,
    PostgresOnlineConfig,
    SqlRegistryConfig,
)
from trilock.server.planes.feast.database import Database, LostRaceError
from trilock.server.planes.feast.file_registry import FileRegistry
from trilock.server.planes.feast.online import PLANE, OnlineView, SqlOnlineStore, online_views
from trilock.server.planes.feast.registry import RegistrySession
from trilock.server.planes.feast.sql_registry import SqlRegistry, SqlSession

_T = TypeVar("_T")

_TRIES: Final = 3
"""A transaction that lost a race is run again, from what is there then."""


class Stores:
    """Both of them. Where they are one database, they are one connection, too."""

    def __init__(self, config: FeastConfig) -> None:
        self.registry: Final = _registry(config)
        self.online: Final = _online_store(config, registry=self.registry)

    def close(self) -> None:
        """Close the connections to the databases."""
        self.registry.close()
        if self.online is not None:
            self.online.database.close()

    def shares(self, session: SqlSession) -> bool:
        """Return whether the transaction of *session* can change online tables, too."""
        return self.online is not None and session.database is self.online.database

    def make_tables(
        self, session: RegistrySession, views: tuple[OnlineView, ...], *, project: str
    ) -> None:
        """Make missing online tables, in the session's own transaction if it can be."""
        online = self.online
        if online is None:
            return
        if isinstance(session, SqlSession) and self.shares(session):
            online.make(session.connection, project=project, views=views)
            return
        if not online.misses(project=project, views=views):
            return  # Without the lock of a writer, who may be feeding for minutes.
        with online.database.begin("write") as connection:
            online.make(connection, project=project, views=views)

    def require_tables(self, what: str) -> SqlOnlineStore:
        """Return the online store, which *what* renames tables of.

        Raises:
            PreconditionError: It has no tables that can be renamed.
        """
        if self.online is None:
            raise PreconditionError(
                f"the online store has no tables to rename: {what} needs SQLite or PostgreSQL"
            )
        return self.online

    def views(
        self, capture: FeatureCapture, *, project: str, count: bool = True
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        views = online_views(capture)
        with self.registry.reading() as session:
            rows = session.read(project, only=[(view.kind, view.name) for view in views])
        online = self.online
        counts = {} if online is None or not count else online.rows(project=project, views=views)
        return tuple(
            deploy.view_state(
                view, row=rows.get((view.kind, view.name)), rows=counts.get(view.name)
            )
            for view in views
        )


def again(work: Callable[[], _T]) -> _T:
    """Return what *work* returns; it is run again when it lost a race."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except LostRaceError:
            continue
    return work()


def _registry(config: FeastConfig) -> SqlRegistry | FileRegistry:
    match config.registry:
        case SqlRegistryConfig():
            return SqlRegistry(config.registry)
        case FileRegistryConfig():
            return FileRegistry(config.registry)


def _online_store(
    config: FeastConfig, *, registry: SqlRegistry | FileRegistry
) -> SqlOnlineStore | None:
    online = config.online
    if online is None or isinstance(online, OtherOnlineConfig):
        return None
    if isinstance(online, PostgresOnlineConfig):
        database = Database(online.url, plane=PLANE, connect_options=online.connect_options)
    else:
        url = URL.create("sqlite", database=str(online.path))
        database = Database(url, plane=PLANE)
    if isinstance(registry, SqlRegistry) and registry.database.identity == database.identity:
        # One database: one connection, so that one transaction can change both.
        database = registry.database
    return SqlOnlineStore(online, database=database)
