"""What a store says to its databases, and what happens when it is cut short."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event

from trilock.server.planes.feast.database import Database
from trilock.server.planes.feast.feature_store import FeastFeatureStore
from trilock.server.planes.feast.sql_registry import SqlRegistry

_READS = ("SELECT", "BEGIN", "PRAGMA", "SHOW", "SET")


class CrashError(Exception):
    """The process died here."""


def engines(store: FeastFeatureStore) -> list[Engine]:
    """Return the engines of the store's databases."""
    databases: list[Database] = []
    if isinstance(store._stores.registry, SqlRegistry):
        databases.append(store._stores.registry.database)
    if store._stores.online is not None and store._stores.online.database not in databases:
        databases.append(store._stores.online.database)
    return [database._engine for database in databases]


@contextmanager
def watched(store: FeastFeatureStore, *, crash_at: int | None = None) -> Iterator[list[str]]:
    """Yield the list of changes that *store* makes, and die before number *crash_at*, if given."""
    changes: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(_READS):
            return
        if len(changes) == crash_at:
            raise CrashError(statement)
        changes.append(statement)

    for engine in engines(store):
        event.listen(engine, "before_cursor_execute", see)
    try:
        yield changes
    finally:
        for engine in engines(store):
            event.remove(engine, "before_cursor_execute", see)
