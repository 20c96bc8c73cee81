"""Feast's SQL registry: raw protos in, raw protos out, one transaction.

A session reads and writes inside one transaction. Writing keeps what belongs
to the row (`user_metadata`), keeps Feast's version history honest (the number
in a view's `meta` is the number under which the history has this definition),
and stamps the project as Feast does.
"""

import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Table, inspect, select

from trilock.server.planes import feast_protos
from trilock.server.planes.feast_config import SqlRegistryConfig
from trilock.server.planes.feast_database import Database, lock_project
from trilock.server.planes.feast_definitions import Key, definition_bytes
from trilock.server.planes.feast_registry_tables import (
    FEAST_METADATA,
    HISTORY,
    METADATA,
    OBJECTS,
    PROJECTS,
)

PLANE = "the Feast registry"


class RegistrySession(Protocol):
    """A registry inside one transaction."""

    def projects(self) -> tuple[str, ...]:
        """Return the names of all projects, sorted."""
        ...

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """Return the raw protos of *project*, all of them or those in *only* that are there."""
        ...

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """Insert or replace the objects of *project*, making the project if need be.

        The messages are completed in place: `meta` gets the version's number.
        """
        ...


class SqlSession:
    """Implements RegistrySession."""

    def __init__(self, connection: Connection, *, config: SqlRegistryConfig, locks: bool) -> None:
        self.connection = connection
        self._config = config
        self._locks = locks

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return tuple(
            sorted(name for (name,) in self.connection.execute(select(PROJECTS.c.project_id)))
        )

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        found: dict[Key, bytes] = {}
        for kind, table in OBJECTS.items():
            query = select(table.name, table.proto).where(table.project == project)
            if only is not None:
                names = [name for wanted, name in only if wanted == kind]
                if not names:
                    continue
                query = query.where(table.name.in_(names))
            if self._locks:
                # In one order, so that two of us cannot deadlock; SQLite ignores it.
                query = query.order_by(table.name).with_for_update()
            for name, proto in self.connection.execute(query):
                found[kind, name] = bytes(proto)
        return found

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """See RegistrySession."""
        if not messages:
            return
        now = int(time.time())
        self._ensure_project(project, now=now)
        self._number(project, messages, now=now)
        for kind, table in OBJECTS.items():
            for name in sorted(name for wanted, name in messages if wanted == kind):
                self._upsert(
                    table.table,
                    {table.name.name: name, "project_id": project},
                    {
                        table.proto.name: messages[kind, name].SerializeToString(),
                        "last_updated_timestamp": now,
                    },
                )
        self._stamp(project, now=now)

    def _ensure_project(self, project: str, *, now: int) -> None:
        present = select(PROJECTS.c.project_id).where(PROJECTS.c.project_id == project)
        if self.connection.execute(present).first() is not None:
            return
        message: Any = feast_protos.message_class("Project_pb2", "Project")()
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

    def _number(self, project: str, messages: Mapping[Key, Any], *, now: int) -> None:
        """Give every view the number its definition has in Feast's history, or the next one."""
        views = {
            key: message
            for key, message in messages.items()
            if feast_protos.kinds()[key[0]].is_view
        }
        history = self._history(project, names=[name for _, name in views])
        for (kind, name), message in sorted(views.items()):
            versions = history.get(name, {})
            definition = definition_bytes(kind, message.SerializeToString())
            number = max(
                (n for n, known in versions.items() if known == (kind, definition)), default=None
            )
            new = number is None
            if number is None:
                number = max(versions, default=-1) + 1
            if "current_version_number" in message.meta.DESCRIPTOR.fields_by_name:
                message.meta.current_version_number = number
            if new:
                self.connection.execute(
                    HISTORY.insert().values(
                        feature_view_name=name,
                        project_id=project,
                        version_number=number,
                        feature_view_type=kind,
                        feature_view_proto=message.SerializeToString(),
                        created_timestamp=now,
                        description="deployed by trilock",
                        version_id=str(uuid.uuid4()),
                    )
                )

    def _history(
        self, project: str, *, names: Collection[str]
    ) -> dict[str, dict[int, tuple[str, bytes]]]:
        query = select(
            HISTORY.c.feature_view_name,
            HISTORY.c.version_number,
            HISTORY.c.feature_view_type,
            HISTORY.c.feature_view_proto,
        ).where(HISTORY.c.project_id == project, HISTORY.c.feature_view_name.in_(names))
        found: dict[str, dict[int, tuple[str, bytes]]] = {}
        for name, number, kind, proto in self.connection.execute(query):
            found.setdefault(name, {})[number] = (kind, definition_bytes(kind, bytes(proto)))
        return found

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


class SqlRegistry:
    """A registry in a SQL database."""

    def __init__(self, config: SqlRegistryConfig) -> None:
        self._config = config
        self.database = Database(config.url, plane=PLANE, engine_options=config.engine_options)

    @contextmanager
    def reading(self) -> Iterator[RegistrySession]:
        """Yield a session that sees one moment, an empty one if there is no registry yet.

        Raises:
            PlaneUnavailableError: The database does not answer.
        """
        if not self.database.exists:
            yield EmptySession()
            return
        with self.database.begin("read") as connection:
            if inspect(connection).has_table(PROJECTS.name):
                yield SqlSession(connection, config=self._config, locks=False)
            else:
                yield EmptySession()

    @contextmanager
    def writing(self, project: str) -> Iterator[SqlSession]:
        """Yield a session that is the only one of trilock to write *project*.

        What it reads is locked until the end, against Feast too.

        Raises:
            PlaneUnavailableError: The database does not answer; nothing was changed.
            LostRaceError: Somebody else wrote the same rows; nothing was changed.
            PreconditionError: The database refuses; nothing was changed.
        """
        with self.database.begin("write") as connection:
            lock_project(connection, project=project)
            if self._config.makes_tables and not inspect(connection).has_table(PROJECTS.name):
                METADATA.create_all(connection)
            yield SqlSession(connection, config=self._config, locks=True)


class EmptySession:
    """Implements RegistrySession for a registry that nobody made yet."""

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return ()

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        del project, only
        return {}

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """Refuse: it is for reading."""
        raise AssertionError(f"a session for reading was asked to write {project}: {messages}")
