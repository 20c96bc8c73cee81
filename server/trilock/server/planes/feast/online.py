"""Feast's online stores in SQL: one table `<project>_<view>` per view.

Tables are made with the very DDL that Feast uses; one that is there already is
left alone, because even `CREATE INDEX IF NOT EXISTS` waits for its writers.
Copying touches only rows that differ, so a copy of what is equal writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, column, func, inspect, quoted_name, select, table, text
from sqlalchemy.sql.expression import TableClause

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.config import PostgresOnlineConfig, SqliteOnlineConfig
from trilock.server.planes.feast.database import Database

PLANE = "the Feast online store"

_KEY: Final = ("entity_key", "feature_name")
_STRING: Final = 2
"""`ValueType.STRING`."""
_POSTGRES_NAME_BYTES: Final = 63
_INDEXES: Final = ("_ek", "_fts_idx", "_pkey")
"""What the names of a table's indexes end with."""
_COUNT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class OnlineView:
    """A view that has an online table."""

    kind: str
    name: str
    has_strings: bool
    feedable: bool
    """Materializing fills it; else it is filled by pushes alone."""
    pushed: bool = False
    """Others write to it, too: it may have what its batch source has not."""
    comparable: bool = False
    """What is online is what the batch source has; nothing is computed on the way."""
    cold: str = ""
    """Why materializing does not keep it warm; "" if it does."""


def online_views(capture: FeatureCapture) -> tuple[OnlineView, ...]:
    """Return the captured views that have an online table, sorted by name."""
    found: list[OnlineView] = []
    for captured in capture.objects:
        if not protos.kinds()[captured.kind].is_view:
            continue
        spec = protos.parse(captured.kind, captured.proto).spec
        on_demand = captured.kind == "on_demand_feature_view"
        if not (spec.write_to_online_store if on_demand else spec.online):
            continue
        feedable = (
            on_demand
            or (captured.kind != "label_view" and spec.HasField("batch_source"))
            or (captured.kind == "feature_view" and bool(spec.source_views))
        )
        found.append(
            OnlineView(
                kind=captured.kind,
                name=captured.name,
                has_strings=any(feature.value_type == _STRING for feature in spec.features),
                feedable=feedable,
                pushed=_is_pushed(captured.kind, spec),
                comparable=captured.kind == "feature_view"
                and feedable
                and not (spec.source_views or spec.HasField("feature_transformation")),
                cold=_why_cold(captured.kind, feedable=feedable),
            )
        )
    return tuple(sorted(found, key=lambda view: view.name))


def _is_pushed(kind: str, spec: Any) -> bool:  # noqa: ANN401 - a Feast message
    return kind in {"label_view", "stream_feature_view"} or (
        kind == "feature_view" and spec.HasField("stream_source")
    )


def _why_cold(kind: str, *, feedable: bool) -> str:
    if kind == "label_view":
        return "labels are written by whoever labels: have them written to this project, too"
    if not feedable:
        return "it has no batch source: push to this project, too"
    return ""


class SqlOnlineStore:
    """An online store in SQLite or PostgreSQL."""

    def __init__(
        self, config: SqliteOnlineConfig | PostgresOnlineConfig, *, database: Database
    ) -> None:
        self.database = database
        self._config = config
        self._schema = config.schema if isinstance(config, PostgresOnlineConfig) else None

    def misses(self, *, project: str, views: Iterable[OnlineView]) -> bool:
        """Return whether `make` would have something to do."""
        if not self.database.exists:
            return True
        with self.database.begin("read") as connection:
            return bool(self._missing(connection, project=project, views=views))

    def make(self, connection: Connection, *, project: str, views: Iterable[OnlineView]) -> None:
        """Make the tables that are missing.

        Raises:
            PreconditionError: PostgreSQL would cut a table's name off.
        """
        for view in self._missing(connection, project=project, views=views):
            name = _name(project, view.name)
            if isinstance(self._config, SqliteOnlineConfig):
                self._make_sqlite(connection, name, self._config)
            else:
                self._make_postgres(connection, name, self._config, strings=view.has_strings)

    def rows(self, *, project: str, views: Iterable[OnlineView]) -> dict[str, int]:
        """Return the number of entities in the table of every view, 0 if there is no table."""
        if not self.database.exists:
            return {view.name: 0 for view in views}
        with self.database.begin("read", seconds=_COUNT_SECONDS) as connection:
            tables = self._tables(connection)
            return {
                view.name: self._count(connection, name) if name in tables else 0
                for view in views
                for name in [_name(project, view.name)]
            }

    def has_table(self, connection: Connection, name: str) -> bool:
        """Return whether there is a table *name*."""
        return name in self._tables(connection)

    def lacking(self, connection: Connection, project: str, views: Iterable[str]) -> list[str]:
        """Return those of *views* that have no table in *project*."""
        tables = self._tables(connection)
        return [view for view in views if _name(project, view) not in tables]

    def rename(self, connection: Connection, moves: Sequence[tuple[str, str, str]]) -> None:
        """Rename tables, one after the other: (view, from project, to project).

        What has the new name is dropped; a move of what is not there is left out.

        Raises:
            PreconditionError: PostgreSQL would cut a new name off.
        """
        tables = set(self._tables(connection))
        statements: list[str] = []
        for view, source, target in moves:
            old, new = _name(source, view), _name(target, view)
            if old not in tables:
                continue
            self._refuse_long(new)
            if new in tables:
                statements.append(f"DROP TABLE {self.quoted(new)}")
            tables -= {old}
            tables |= {new}
            statements.append(f"ALTER TABLE {self.quoted(old)} RENAME TO {_quote(new)}")
            if self.database.is_postgres:
                # Else a table that is made under the old name would go without its index.
                # SQLite renames no index; its primary key finds the rows all the same.
                statements += [
                    f"ALTER INDEX IF EXISTS {self.quoted(old + suffix)} "
                    f"RENAME TO {_quote(new + suffix)}"
                    for suffix in _INDEXES
                    if len((new + suffix).encode()) <= _POSTGRES_NAME_BYTES
                ]
        if self.database.is_postgres:
            if statements:
                # One round trip: these locks are what readers wait for.
                connection.exec_driver_sql("; ".join(statements))
            return
        for statement in statements:
            connection.exec_driver_sql(statement)

    def drop(self, connection: Connection, *, project: str, views: Iterable[OnlineView]) -> None:
        """Drop the tables that are there."""
        tables = self._tables(connection)
        for view in views:
            name = _name(project, view.name)
            if name in tables:
                connection.exec_driver_sql(f"DROP TABLE {self.quoted(name)}")

    def copy(self, connection: Connection, *, source: str, target: str, view: str) -> None:
        """Make the table of *view* in project *target* equal to the one in *source*.

        Raises:
            PreconditionError: The source has no table.
        """
        old, new = _name(target, view), _name(source, view)
        if new not in self._tables(connection):
            raise PreconditionError(f"the online store has no table {new!r} to copy from")
        columns = sorted(self._columns(connection, old) & self._columns(connection, new))
        same = " IS NOT DISTINCT FROM " if self.database.is_postgres else " IS "
        key = " AND ".join(f"o.{name} = n.{name}" for name in _KEY)
        values = [f"o.{name}{same}n.{name}" for name in columns if name not in _KEY]
        equal = " AND ".join([key, *values])
        ours, theirs, names = self.quoted(old), self.quoted(new), ", ".join(columns)
        connection.execute(
            text(
                f"DELETE FROM {ours} AS o "  # noqa: S608 - names only, quoted or ours
                f"WHERE NOT EXISTS (SELECT 1 FROM {theirs} AS n WHERE {equal})"
            )
        )
        connection.execute(
            text(
                f"INSERT INTO {ours} ({names}) SELECT {names} FROM {theirs} AS n "  # noqa: S608 - same
                f"WHERE NOT EXISTS (SELECT 1 FROM {ours} AS o WHERE {key})"
            )
        )

    def _missing(
        self, connection: Connection, *, project: str, views: Iterable[OnlineView]
    ) -> list[OnlineView]:
        tables = self._tables(connection)
        return [view for view in views if _name(project, view.name) not in tables]

    def _count(self, connection: Connection, name: str) -> int:
        query = select(func.count(column("entity_key").distinct())).select_from(self._table(name))
        return int(connection.execute(query).scalar_one())

    def _tables(self, connection: Connection) -> frozenset[str]:
        return frozenset(inspect(connection).get_table_names(schema=self._schema))

    def _columns(self, connection: Connection, name: str) -> frozenset[str]:
        found = inspect(connection).get_columns(name, schema=self._schema)
        return frozenset(entry["name"] for entry in found)

    def _table(self, name: str) -> TableClause:
        schema = None if self._schema is None else quoted_name(self._schema, quote=True)
        return table(quoted_name(name, quote=True), schema=schema)

    def quoted(self, name: str) -> str:
        """Return *name* of a table or index as SQL says it."""
        return _quote(name) if self._schema is None else f"{_quote(self._schema)}.{_quote(name)}"

    def _make_sqlite(self, connection: Connection, name: str, config: SqliteOnlineConfig) -> None:
        numbers = "value_num REAL," if config.numbers else ""
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {_quote(name)} (entity_key BLOB, feature_name TEXT, "
            f"value BLOB, value_text TEXT, {numbers} vector_value BLOB, event_ts timestamp, "
            "created_ts timestamp,  PRIMARY KEY(entity_key, feature_name))"
        )
        connection.exec_driver_sql(
            f"CREATE INDEX IF NOT EXISTS {_quote(name + '_ek')} ON {_quote(name)} (entity_key)"
        )

    def _refuse_long(self, name: str) -> None:
        if self.database.is_postgres and len(name.encode()) > _POSTGRES_NAME_BYTES:
            raise PreconditionError(
                f"the online table {name!r} has a name of more than {_POSTGRES_NAME_BYTES} bytes: "
                "PostgreSQL would cut it off, and two views could share one table"
            )

    def _make_postgres(
        self, connection: Connection, name: str, config: PostgresOnlineConfig, *, strings: bool
    ) -> None:
        self._refuse_long(name)
        if config.schema not in inspect(connection).get_schema_names():
            connection.exec_driver_sql(
                f"CREATE SCHEMA IF NOT EXISTS {_quote(config.schema)} "
                f"AUTHORIZATION {_quote(config.user)}"
            )
        numbers = "value_num DOUBLE PRECISION NULL," if config.numbers else ""
        vector = "vector" if config.vectors else "BYTEA"
        qualified = self.quoted(name)
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {qualified} (entity_key BYTEA, feature_name TEXT, "
            f"value BYTEA, value_text TEXT NULL, {numbers} vector_value {vector} NULL, "
            "event_ts TIMESTAMPTZ, created_ts TIMESTAMPTZ, "
            "PRIMARY KEY(entity_key, feature_name))"
        )
        connection.exec_driver_sql(
            f"CREATE INDEX IF NOT EXISTS {_quote(name + '_ek')} ON {qualified} (entity_key)"
        )
        if strings:
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {_quote(name + '_fts_idx')} ON {qualified} "
                "USING GIN (to_tsvector('english', value_text))"
            )


def _name(project: str, view: str) -> str:
    return f"{project}_{view}"


def _quote(name: str) -> str:
    # Names come from users; a doubled quote is a quote, in both databases.
    return '"' + name.replace('"', '""') + '"'
