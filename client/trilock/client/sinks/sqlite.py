"""SQLite: one writer at a time, and types that are advice.

A transaction takes the write lock at once (BEGIN IMMEDIATE), which makes it
the fence's lock too: neither a batch nor a close can be in the way of the
other for longer than the other's transaction.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from uuid import UUID

from trilock.client.sinks.layout import PREFIX, Relation, Shape, ShapeColumn, incoming_name
from trilock.client.sinks.session import (
    NO_PARAMS,
    LostError,
    MissingTableError,
    Params,
    RefusedError,
    Row,
)

_NATIVE: Final = frozenset({int, float, str, bytes, bool, type(None)})
_FETCH: Final = 1000
_URGENT_SECONDS: Final = 0.0005

_LOST: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
)


class SqliteDialect:
    """Implements Dialect."""

    share = ""
    exclusive = ""
    alone = True
    now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

    def quote(self, name: str) -> str:
        """See Dialect."""
        return '"' + name.replace('"', '""') + '"'

    def relation(self, relation: Relation) -> str:
        """See Dialect."""
        return f"main.{self.quote(relation.name)}"

    def own(self, name: str) -> str:
        """See Dialect."""
        return f"main.{self.quote(PREFIX + name)}"

    def image(self, name: str) -> Relation:
        """See Dialect."""
        return Relation(schema=None, name=PREFIX + name)

    def temporary(self, name: str) -> str:
        """See Dialect."""
        return f"temp.{self.quote(name)}"

    def param(self, name: str) -> str:
        """See Dialect."""
        return f":{name}"

    def same(self, left: str, right: str, columns: Sequence[ShapeColumn]) -> str:
        """See Dialect."""
        return " AND ".join(
            self._same(
                f"{left}.{self.quote(column.name)}", f"{right}.{self.quote(column.name)}", column
            )
            for column in columns
        )

    def _same(self, a: str, b: str, column: ShapeColumn) -> str:
        # IS alone takes 'a' for 'A' where the column says NOCASE.
        same = f"{a} IS {b} COLLATE BINARY"
        # What is stored in a column of these types is converted, so that equal values have
        # one type; asking for it costs a merge a third of its time. Elsewhere 1 IS 1.0.
        if _is_converted(column.type.upper()):
            return same
        return f"{same} AND typeof({a}) = typeof({b})"

    def moment(self, expression: str) -> str:
        """See Dialect."""
        return f"CAST({expression} AS text)"

    def lock_rows(self, alias: str) -> str:
        """See Dialect."""
        del alias
        return ""

    def misfit(self, column: ShapeColumn) -> str | None:
        """See Dialect."""
        value = self.quote(column.name)
        # The rules of https://www.sqlite.org/datatype3.html, in their order. NUMERIC
        # is not looked at: DATE and DATETIME are of it, and they hold text.
        declared = column.type.upper()
        if "INT" in declared:
            return f"typeof({value}) NOT IN ('integer', 'null')"
        if any(word in declared for word in ("CHAR", "CLOB", "TEXT", "BLOB")) or not declared:
            return None
        if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
            return f"typeof({value}) NOT IN ('real', 'null')"
        return None


def _is_converted(declared: str) -> bool:
    """Whether the declared type gives INTEGER, TEXT or REAL affinity."""
    return any(word in declared for word in ("INT", "CHAR", "CLOB", "TEXT", "REAL", "FLOA", "DOUB"))


class SqliteSession:
    """Implements Session."""

    def __init__(self, path: str, *, timeout: float, urgent: bool = False) -> None:
        """Connect.

        Args:
            path: The file, which must be there.
            timeout: Seconds to wait for a lock.
            urgent: Ask for the write lock all the time. SQLite's own waiting grows to
                100 ms between two looks and can lose to busy writers for minutes.
        """
        self.dialect = SqliteDialect()
        self._timeout = timeout
        self._urgent = urgent
        # mode=rw: a path with a typing error is an error, not a new empty database.
        uri = f"{Path(path).absolute().as_uri()}?mode=rw"
        with _translated():
            self._connection = sqlite3.connect(
                uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
            )
            # As strict as PostgreSQL is without being asked.
            self._connection.execute("PRAGMA foreign_keys = ON")
            # 64 MB: a merge touches three tables at random, which 2 MB would read again and again.
            self._connection.execute("PRAGMA cache_size = -65536")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See Session."""
        with self._transaction(self._begin):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See Session."""
        with self._transaction(lambda: self._connection.execute("BEGIN")):
            yield

    @contextmanager
    def _transaction(self, begin: Callable[[], object]) -> Iterator[None]:
        with _translated():
            begin()
        try:
            yield
            with _translated():
                self._connection.execute("COMMIT")
        except BaseException:
            # After some errors (a full disk) SQLite has rolled back by itself.
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise

    def _begin(self) -> None:
        if not self._urgent:
            self._connection.execute("BEGIN IMMEDIATE")
            return
        deadline = monotonic() + self._timeout
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                    if monotonic() > deadline:
                        raise
                    sleep(_URGENT_SECONDS)
                else:
                    return
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")

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
        with _translated():
            cursor = self._connection.execute(sql, params)
        while True:
            with _translated():
                rows = cursor.fetchmany(_FETCH)
            if not rows:
                return
            yield from rows

    def load(self, shape: Shape, *, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
        """See Session."""
        quote = self.dialect.quote
        table = self.dialect.temporary(incoming_name(shape))
        self.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_declared(shape.columns, quote)})")
        self.execute(f"DELETE FROM {table}")  # noqa: S608 - a quoted identifier
        names = ", ".join(quote(name) for name in columns)
        marks = ", ".join("?" for _ in columns)
        insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - quoted identifiers
        with _translated():
            return self._connection.executemany(insert, map(_stored, rows)).rowcount

    def close(self) -> None:
        """See Session."""
        with suppress(sqlite3.Error):
            self._connection.close()


def _declared(columns: Sequence[ShapeColumn], quote: Any) -> str:  # noqa: ANN401 - a bound method
    return ", ".join(
        f"{quote(column.name)} {column.type}"
        + (f" DEFAULT ({column.default})" if column.default is not None else "")
        + (f" COLLATE {quote(column.collation)}" if column.collation else "")
        for column in columns
    )


def _stored(row: Sequence[Any]) -> Sequence[Any]:
    if all(type(value) in _NATIVE for value in row):
        return row
    return [value if type(value) in _NATIVE else _native(value) for value in row]


def _native(value: object) -> object:
    """Return *value* as SQLite stores it: what its own functions can read back."""
    match value:
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            # NumPy's scalars; whatever else there is, sqlite3 names it when it refuses it.
            item = getattr(value, "item", None)
            return item() if callable(item) else value


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the primary code; errors that Python itself raises have none.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _LOST:
            raise LostError(str(error)) from error
        if str(error).startswith("no such table"):
            raise MissingTableError(str(error)) from error
        raise RefusedError(str(error)) from error
    except OverflowError as error:
        raise RefusedError(str(error)) from error
