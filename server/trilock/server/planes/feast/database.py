"""Databases that Feast keeps things in, with bounded waits and our errors.

Connecting takes 2 s at most, a lock 2 s, a statement 10 s if nothing else was
said, and everything that goes wrong comes out as a TrilockError with one line
and without the URL. A transaction is committed when its block ends without an
exception, else nothing of it stays.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from trilock.server.domain.errors import PlaneUnavailableError, PreconditionError, TrilockError

_CONNECT_SECONDS: Final = 2
_LOCK_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 2.0
"""How much longer we wait for the answer that the server gave up."""

_POSTGRES_PORT: Final = 5432
_LOST_RACE: Final = frozenset({"40001", "40P01", "23505"})
"""Serialization failure, deadlock, and a row that somebody else inserted first."""

_LOCKED: Final = "55P03"
"""A lock that was not had in time."""

_SQLITE_OURS: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY})
"""Results that asking again will not change."""

Mode = Literal["read", "write"]


class LockedError(PlaneUnavailableError):
    """Somebody holds a lock for longer than was waited; nothing was changed."""


class LostRaceError(PlaneUnavailableError):
    """Somebody else changed the same rows at the same time; nothing was changed here."""


class Database:
    """One database: `begin` is the only way in."""

    def __init__(
        self,
        url: URL,
        *,
        plane: str,
        engine_options: Mapping[str, Any] | None = None,
        connect_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.plane = plane
        self.url = url
        self._engine = _engine(
            url, engine_options=engine_options or {}, connect_options=connect_options or {}
        )

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL; else it is SQLite."""
        return self.url.get_backend_name() == "postgresql"

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two URLs that one connection can serve."""
        if self.is_postgres:
            url = self.url
            # A socket's folder may be the host, or stand in the query.
            host = url.host or url.query.get("host", "")
            port = url.port or int(str(url.query.get("port", _POSTGRES_PORT)))
            return (host, port, url.database, url.username)
        return (self._file and self._file.resolve(),)

    @property
    def exists(self) -> bool:
        """False for a SQLite file that is not there: connecting would make it."""
        return self._file is None or self._file.exists()

    @property
    def _file(self) -> Path | None:
        return Path(self.url.database) if not self.is_postgres and self.url.database else None

    @contextmanager
    def begin(self, mode: Mode, *, seconds: float = STATEMENT_SECONDS) -> Iterator[Connection]:
        """Yield a connection in a transaction.

        "read" sees one moment, "write" is the only writer on SQLite. On
        PostgreSQL no statement takes longer than *seconds*.

        Raises:
            PlaneUnavailableError: It does not answer, or not in time.
            LostRaceError: Somebody else wrote the same rows; try again.
            PreconditionError: It refuses what was asked.
        """
        options: dict[str, Any] = (
            {"isolation_level": "REPEATABLE READ" if mode == "read" else "READ COMMITTED"}
            if self.is_postgres
            else {"sqlite_begin": "BEGIN" if mode == "read" else "BEGIN IMMEDIATE"}
        )
        if mode == "write":
            self._make_folder()
        engine = self._engine.execution_options(**options)
        with (
            self._translated(),
            engine.connect() as connection,
            _bounded(connection, seconds=seconds),
            connection.begin(),
        ):
            if self.is_postgres and seconds != STATEMENT_SECONDS:
                milliseconds = int(seconds * 1000)
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
            yield connection

    def _make_folder(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(exist_ok=True)  # one level, as Feast does
        except OSError as error:
            raise PlaneUnavailableError(plane=self.plane, what=str(error)) from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._ours(error) from error
        except PoolTimeoutError as error:
            raise PlaneUnavailableError(
                plane=self.plane, what="all its connections are in use"
            ) from error

    def _ours(self, error: DBAPIError) -> TrilockError:
        cause = error.orig
        lines = str(cause).strip().splitlines()
        line = lines[0] if lines else type(cause).__name__
        if getattr(cause, "sqlstate", None) in _LOST_RACE or isinstance(error, IntegrityError):
            return LostRaceError(plane=self.plane, what=line)
        if getattr(cause, "sqlstate", None) == _LOCKED:
            return LockedError(plane=self.plane, what=line)
        refused = (
            getattr(cause, "sqlite_errorcode", None) in _SQLITE_OURS
            if isinstance(cause, sqlite3.Error)
            else not isinstance(error, OperationalError | InterfaceError)
        )
        if refused and not error.connection_invalidated:
            return PreconditionError(f"{self.plane} refuses: {line}", plane=self.plane)
        return PlaneUnavailableError(plane=self.plane, what=line)


def lock_project(connection: Connection, *, project: str) -> None:
    """Wait until no other trilock writes *project*; until the end of the transaction.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
            {"key": f"trilock feast {project}"},
        )


def be_impatient(connection: Connection) -> None:
    """Wait 100 ms for a lock until the end of the transaction: who waits holds up readers, too."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 100")


@contextmanager
def _bounded(connection: Connection, *, seconds: float) -> Iterator[None]:
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    patience = driver.seconds
    driver.seconds = seconds + _GRACE_SECONDS
    try:
        yield
    finally:
        driver.seconds = patience


def _engine(
    url: URL, *, engine_options: Mapping[str, Any], connect_options: Mapping[str, Any]
) -> Engine:
    options = {key: value for key, value in engine_options.items() if key != "connect_args"}
    connect = {**engine_options.get("connect_args", {}), **connect_options}
    if url.get_backend_name() == "postgresql":
        options |= {"pool_size": 2, "max_overflow": 6, "pool_timeout": 2, "pool_pre_ping": True}
        settings = (
            f"-c lock_timeout={_LOCK_SECONDS * 1000} "
            f"-c statement_timeout={int(STATEMENT_SECONDS * 1000)}"
        )
        connect |= {
            "application_name": "trilock",
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"{connect.get('options', '')} {settings}".strip(),
            # A peer that vanished without a word is noticed in seconds, not hours.
            "keepalives_idle": 5,
            "tcp_user_timeout": 10_000,
        }
        try:
            engine = create_engine(url, connect_args=connect, **options)
        except ModuleNotFoundError as error:
            raise PreconditionError(
                f"PostgreSQL needs {error.name}: install trilock[postgres]"
            ) from error
        event.listen(engine, "do_connect", _connect_bounded)
        return engine
    engine = create_engine(url, connect_args={**connect, "timeout": _LOCK_SECONDS}, **options)
    event.listen(engine, "connect", _manual_transactions)
    event.listen(engine, "begin", _begin)
    return engine


def _connect_bounded(
    _dialect: object, _record: object, _positional: object, options: dict[str, Any]
) -> object:
    from trilock.server.planes.feast.postgres import connect  # noqa: PLC0415 - psycopg is an extra

    return connect(**options)


def _manual_transactions(connection: sqlite3.Connection, _record: object) -> None:
    # Else the driver begins late, and commits before DDL.
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["sqlite_begin"])
