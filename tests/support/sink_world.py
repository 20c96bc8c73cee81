"""One sink's database, with hands to do what the user of the table does."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg

from trilock.client.sinks import SinkWriter
from trilock.server.domain.names import SinkRef
from trilock.server.domain.sink import Sink
from trilock.server.sinks.connect import sink_database
from trilock.server.sinks.merge import Checkpoint
from trilock.server.sinks.sql_sink_database import SqlSinkDatabase

NAME = "models/delay/sinks/predictions"
PREDICTIONS = (
    "CREATE TABLE predictions (flight integer NOT NULL PRIMARY KEY, "
    "delay double precision NOT NULL, note text DEFAULT 'none')"
)

Table = list[tuple[Any, ...]]


class SinkWorld(Protocol):
    """A fresh database of one kind."""

    url: str

    def sql(self, text: str) -> Table:
        """Run one statement as the user, and return its rows."""
        ...


class SqliteSinkWorld:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        sqlite3.connect(path).close()
        # An empty file is created with the first write only.
        self.sql("CREATE TABLE unrelated (id integer)")

    def sql(self, text: str) -> Table:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(text).fetchall()


class PostgresSinkWorld:
    def __init__(self, url: str) -> None:
        self.url = url

    def sql(self, text: str) -> Table:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []


def database(
    world: SinkWorld, *, checkpoint: Checkpoint = lambda _: None, range_size: int | None = None
) -> SqlSinkDatabase:
    opened = sink_database(world.url, checkpoint=checkpoint)
    if range_size is not None:
        opened._range_size = range_size
    return opened


def register(
    world: SinkWorld,
    *,
    table: str = "predictions",
    keys: tuple[str, ...] = ("flight",),
    name: str = NAME,
) -> Sink:
    """Return the table as a sink, registered as it is now."""
    return Sink(
        ref=SinkRef.parse(name),
        connection="warehouse",
        table=table,
        keys=keys,
        columns=database(world).inspect(table=table, keys=keys),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        creator="test",
    )


def write(
    world: SinkWorld,
    rows: Sequence[Mapping[str, Any]],
    *,
    epoch: int,
    sink: str = NAME,
    batch_id: str | None = None,
) -> int:
    with SinkWriter(world.url, sink=sink, epoch=epoch, patience=5.0) as writer:
        return writer.write(rows, batch_id=batch_id)


def flights(**delays: float) -> list[dict[str, Any]]:
    """Return rows: `flights(f1=2.5)` is flight 1, 2.5 minutes late."""
    return [{"flight": int(key[1:]), "delay": delay} for key, delay in delays.items()]
