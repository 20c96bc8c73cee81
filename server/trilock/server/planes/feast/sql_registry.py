"""Feast's SQL registry: raw protos in, raw protos out, one transaction.

Writing keeps what belongs to a row and not to the definition (`user_metadata`)
and stamps the project as Feast does.
"""

import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    inspect,
    literal,
    select,
    true,
    union_all,
)

from trilock.server.planes.feast import protos
from trilock.server.planes.feast.config import SqlRegistryConfig
from trilock.server.planes.feast.database import STATEMENT_SECONDS, Database, lock_project
from trilock.server.planes.feast.definitions import Key
from trilock.server.planes.feast.registry import (
    PLANE,
    EmptySession,
    RegistrySession,
    Version,
    number_versions,
)
from trilock.server.planes.feast.registry_tables import (
    FEAST_METADATA,
    HISTORY,
    METADATA,
    OBJECTS,
    PROJECTS,
    ObjectTable,
)


class SqlSession:
    """Implements RegistrySession."""

    def __init__(
        self,
        connection: Connection,
        *,
        database: Database,
        config: SqlRegistryConfig,
        writes: str | None = None,
    ) -> None:
        self.connection = connection
        self.database = database
        self._config = config
        self._writes = writes

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return tuple(
            sorted(name for (name,) in self.connection.execute(select(PROJECTS.c.project_id)))
        )

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        locking = project == self._writes and self.database.is_postgres
        queries = []
        for kind, table, wanted in _wanted(only):
            rows = select(table.name.label("name"), table.proto.label("proto")).where(
                table.project == project, wanted
            )
            if locking:
                # In one order, so that two of us cannot deadlock.
                rows = rows.order_by(table.name).with_for_update()
            part = rows.subquery()
            queries.append(select(literal(kind), part.c.name, part.c.proto))
        if not queries:
            return {}
        # One round trip for all kinds: locks are held meanwhile.
        found = self.connection.execute(union_all(*queries))
        return {(kind, name): bytes(proto) for kind, name, proto in found}

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """See RegistrySession."""
        if not messages:
            return
        now = int(time.time())
        self._ensure_project(project, now=now)
        self._extend_history(project, messages, now=now)
        for kind, table in OBJECTS.items():
            protos_of = {
                name: messages[kind, name].SerializeToString()
                for wanted, name in sorted(messages)
                if wanted == kind
            }
            if protos_of:
                self._put(project, table, protos_of, now=now)
        self._stamp(project, now=now)

    def remove(self, project: str, keys: Collection[Key]) -> None:
        """See RegistrySession."""
        if project not in self.projects():
            return
        for kind, table in OBJECTS.items():
            names = [name for wanted, name in keys if wanted == kind]
            self.connection.execute(
                table.table.delete().where(table.project == project, table.name.in_(names))
            )
        names = [name for _, name in keys]
        self.connection.execute(
            HISTORY.delete().where(
                HISTORY.c.project_id == project, HISTORY.c.feature_view_name.in_(names)
            )
        )
        if self.read(project):
            self._stamp(project, now=int(time.time()))
            return
        self.connection.execute(
            FEAST_METADATA.delete().where(FEAST_METADATA.c.project_id == project)
        )
        self.connection.execute(PROJECTS.delete().where(PROJECTS.c.project_id == project))

    def _put(
        self, project: str, table: ObjectTable, found: Mapping[str, bytes], *, now: int
    ) -> None:
        """Insert or replace the protos of one kind: all in as few round trips as possible."""
        present = set(
            self.connection.scalars(
                select(table.name).where(table.project == project, table.name.in_(found))
            )
        )
        rows = [
            {"the_name": name, "the_proto": proto, "the_time": now, "the_project": project}
            for name, proto in found.items()
        ]
        values: dict[str, Any] = {
            table.proto.name: bindparam("the_proto"),
            "last_updated_timestamp": bindparam("the_time"),
        }
        old = [row for row in rows if row["the_name"] in present]
        if old:
            one = (table.name == bindparam("the_name")) & (
                table.project == bindparam("the_project")
            )
            self.connection.execute(table.table.update().where(one).values(**values), old)
        new = [row for row in rows if row["the_name"] not in present]
        if new:
            key: dict[str, Any] = {
                table.name.name: bindparam("the_name"),
                "project_id": bindparam("the_project"),
            }
            self.connection.execute(table.table.insert().values(**key, **values), new)

    def _ensure_project(self, project: str, *, now: int) -> None:
        present = select(PROJECTS.c.project_id).where(PROJECTS.c.project_id == project)
        if self.connection.execute(present).first() is not None:
            return
        message: Any = protos.message_class("Project_pb2", "Project")()
        message.spec.name = project
        message.meta.created_timestamp.FromSeconds(now)
        message.meta.last_updated_timestamp.FromSeconds(now)
        self.connection.execute(
            PROJECTS.insert().values(
                project_id=project,
                project_name=project,
                last_updated_timestamp=now,
                project_proto=message.SerializeToString(),
            )
        )

    def _extend_history(self, project: str, messages: Mapping[Key, Any], *, now: int) -> None:
        query = select(HISTORY).where(
            HISTORY.c.project_id == project,
            HISTORY.c.feature_view_name.in_([name for _, name in messages]),
        )
        history = [
            Version(
                kind=row.feature_view_type,
                name=row.feature_view_name,
                number=row.version_number,
                proto=bytes(row.feature_view_proto),
            )
            for row in self.connection.execute(query)
        ]
        for version in number_versions(messages, history=history):
            self.connection.execute(
                HISTORY.insert().values(
                    feature_view_name=version.name,
                    project_id=project,
                    version_number=version.number,
                    feature_view_type=version.kind,
                    feature_view_proto=version.proto,
                    created_timestamp=now,
                    description="deployed by trilock",
                    version_id=str(uuid.uuid4()),
                )
            )

    def _stamp(self, project: str, *, now: int) -> None:
        if not self._config.keeps_metadata:
            return
        key = {"project_id": project, "metadata_key": "last_updated_timestamp"}
        self._upsert(
            FEAST_METADATA, key, {"metadata_value": str(now), "last_updated_timestamp": now}
        )
        identity = {"project_id": project, "metadata_key": "project_uuid"}
        if not self._present(FEAST_METADATA, identity):
            self.connection.execute(
                FEAST_METADATA.insert().values(
                    **identity, metadata_value=str(uuid.uuid4()), last_updated_timestamp=now
                )
            )

    def _upsert(
        self, table: Table, key: Mapping[str, object], values: Mapping[str, object]
    ) -> None:
        update = table.update().values(**values)
        for column, value in key.items():
            update = update.where(table.c[column] == value)
        if self.connection.execute(update).rowcount == 0:
            self.connection.execute(table.insert().values(**key, **values))

    def _present(self, table: Table, key: Mapping[str, object]) -> bool:
        query = select(table.c[next(iter(key))])
        for column, value in key.items():
            query = query.where(table.c[column] == value)
        return self.connection.execute(query).first() is not None


def _wanted(
    only: Collection[Key] | None,
) -> Iterator[tuple[str, ObjectTable, ColumnElement[bool]]]:
    """Yield every kind that is wanted, its table, and the condition for the wanted names."""
    for kind, table in OBJECTS.items():
        names = None if only is None else [name for wanted, name in only if wanted == kind]
        if names is None:
            yield kind, table, true()
        elif names:
            yield kind, table, table.name.in_(names)


class SqlRegistry:
    """A registry in a SQL database."""

    def __init__(self, config: SqlRegistryConfig) -> None:
        self._config = config
        self.database = Database(config.url, plane=PLANE, engine_options=config.engine_options)

    @contextmanager
    def reading(self) -> Iterator[RegistrySession]:
        """See Registry."""
        if not self.database.exists:
            yield EmptySession()
            return
        with self.database.begin("read") as connection:
            if inspect(connection).has_table(PROJECTS.name):
                yield self._session(connection)
            else:
                yield EmptySession()

    @contextmanager
    def writing(self, project: str, *, seconds: float = STATEMENT_SECONDS) -> Iterator[SqlSession]:
        """See Registry. Feast's writers are locked out of what was read, too.

        On PostgreSQL no statement takes longer than *seconds*.
        """
        with self.database.begin("write", seconds=seconds) as connection:
            lock_project(connection, project=project)
            if self.database.is_postgres:
                # Ours is the one hand that a frozen project lets in.
                connection.exec_driver_sql("SELECT set_config('trilock.writes', 'on', true)")
            if self._config.makes_tables and not inspect(connection).has_table(PROJECTS.name):
                METADATA.create_all(connection)
            yield self._session(connection, writes=project)

    def close(self) -> None:
        """See Registry."""
        self.database.close()

    @property
    def url(self) -> str:
        """The database's URL, password and all."""
        return self.database.url.render_as_string(hide_password=False)

    def _session(self, connection: Connection, *, writes: str | None = None) -> SqlSession:
        return SqlSession(connection, database=self.database, config=self._config, writes=writes)


def throwaway_registry(folder: Path) -> SqlRegistry:
    """Return a registry in a new SQLite file in *folder*."""
    url = URL.create("sqlite", database=str(folder / "registry.db"))
    return SqlRegistry(
        SqlRegistryConfig(url=url, engine_options={}, keeps_metadata=True, makes_tables=True)
    )
