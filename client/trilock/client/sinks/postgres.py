"""PostgreSQL: many writers at a time, so every promise is a row lock.

Transactions are READ COMMITTED: each statement sees what was committed before
it, which is what a statement after a lock is there to see.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb, JsonbDumper

from trilock.client.sinks.layout import PREFIX, Relation, Shape, ShapeColumn, incoming_name
from trilock.client.sinks.session import (
    NO_PARAMS,
    ConflictError,
    LockTimeoutError,
    LostError,
    MissingTableError,
    Params,
    RefusedError,
    Row,
)

SCHEMA: Final = "trilock"
"""Holds trilock's own tables."""

_FETCH: Final = 1000
_MIN_CONNECT_SECONDS: Final = 2
"""libpq takes less for 2."""


class _UuidDumper(psycopg.adapt.Dumper):
    """Writes a UUID as everybody does; psycopg leaves the dashes out, also in a text column."""

    def dump(self, obj: object) -> bytes:
        return str(obj).encode()


class PostgresDialect:
    """Implements Dialect. Statements always have parameters, so a percent sign is doubled."""

    share = "FOR SHARE OF f"
    exclusive = "FOR UPDATE OF f"
    alone = False
    now = "clock_timestamp()"

    def quote(self, name: str) -> str:
        """See Dialect."""
        return '"' + name.replace('"', '""').replace("%", "%%") + '"'

    def relation(self, relation: Relation) -> str:
        """See Dialect."""
        name = self.quote(relation.name)
        return name if relation.schema is None else f"{self.quote(relation.schema)}.{name}"

    def own(self, name: str) -> str:
        """See Dialect."""
        return f"{self.quote(SCHEMA)}.{self.quote(name)}"

    def image(self, name: str) -> Relation:
        """See Dialect."""
        return Relation(schema=SCHEMA, name=name)

    def temporary(self, name: str) -> str:
        """See Dialect."""
        return f"pg_temp.{self.quote(name)}"

    def param(self, name: str) -> str:
        """See Dialect."""
        return f"%({name})s"

    def same(self, left: str, right: str, columns: Sequence[ShapeColumn]) -> str:
        """See Dialect."""
        # The operator *=, called by its function since ROW spreads over operators. It
        # compares bytes: 1.0 is not 1.00, and json compares at all.
        a = ", ".join(f"{left}.{self.quote(column.name)}" for column in columns)
        b = ", ".join(f"{right}.{self.quote(column.name)}" for column in columns)
        return f"pg_catalog.record_image_eq(ROW({a}), ROW({b}))"

    def moment(self, expression: str) -> str:
        """See Dialect."""
        return f"to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

    def lock_rows(self, alias: str) -> str:
        """See Dialect."""
        return f"FOR UPDATE OF {alias}"

    def misfit(self, column: ShapeColumn) -> str | None:
        """See Dialect."""
        del column
        return None


class PostgresSession:
    """Implements Session."""

    def __init__(self, url: str, *, name: str, timeout: float) -> None:
        self.dialect = PostgresDialect()
        self._made: set[str] = set()
        with _translated():
            self._connection = psycopg.connect(
                url.replace("postgresql+psycopg://", "postgresql://", 1),
                autocommit=True,
                application_name=name,
                # Behind a pooler a statement may meet a session that it was not prepared in.
                prepare_threshold=None,
                connect_timeout=max(_MIN_CONNECT_SECONDS, round(timeout)),
            )
            self._connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            # A dict is nothing else in SQL; a list may be an array, so its column decides.
            self._connection.adapters.register_dumper(dict, JsonbDumper)
            self._connection.adapters.register_dumper(UUID, _UuidDumper)
            # Names in statements are qualified, and NOTICEs help nobody here.
            self._connection.execute("SET client_min_messages = warning")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See Session."""
        with _translated(), self._connection.transaction():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Session."""
        with self.transaction():
            self.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """See Session."""
        with _translated():
            return self._connection.execute(sql, params).rowcount

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """See Session."""
        with _translated():
            return self._connection.execute(sql, params).fetchall()

    def stream(self, sql: str, params: Params = NO_PARAMS) -> Iterator[Row]:
        """See Session."""
        with _translated(), self._connection.cursor(f"{PREFIX}stream") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(sql, params)
            yield from cursor

    def load(self, shape: Shape, *, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
        """See Session."""
        table = self.dialect.temporary(incoming_name(shape))
        self.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {self.dialect.quote(incoming_name(shape))} "
            f"(LIKE {self.dialect.relation(shape.staging)} INCLUDING DEFAULTS INCLUDING IDENTITY "
            "INCLUDING GENERATED INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS"
        )
        types = {column.name: column.type for column in shape.columns}
        json_at = [at for at, name in enumerate(columns) if types[name] in {"json", "jsonb"}]
        names = ", ".join(self.dialect.quote(name) for name in columns)
        # Without parameters, so that a percent sign is one again.
        statement = f"COPY {table} ({names}) FROM STDIN".replace("%%", "%")
        with _translated(), self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(_wrapped(row, json_at) if json_at else row)
            loaded = cursor.rowcount
        # A temporary table has no statistics by itself, and plans without any scan the
        # whole sink for every batch.
        self.execute(f"ANALYZE {table}")
        return loaded

    def close(self) -> None:
        """See Session."""
        with suppress(psycopg.Error):
            self._connection.close()


def _wrapped(row: Sequence[Any], json_at: Sequence[int]) -> Sequence[Any]:
    values = list(row)
    for at in json_at:
        if isinstance(values[at], dict | list):
            values[at] = Jsonb(values[at])
    return values


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise LockTimeoutError(_text(error)) from error
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
        raise ConflictError(_text(error)) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise MissingTableError(_text(error)) from error
    # An internal error (a file that cannot grow, a standby that may not write) says nothing
    # about the rows: the same batch may go in later.
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
        raise LostError(_text(error)) from error
    except psycopg.Error as error:
        raise RefusedError(_text(error)) from error


def _text(error: psycopg.Error) -> str:
    diagnosis = error.diag
    parts = [diagnosis.message_primary, diagnosis.message_detail, diagnosis.context]
    return "; ".join(part.replace("\n", ", ") for part in parts if part) or str(error).strip()
