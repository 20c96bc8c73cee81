"""One database, two ways in: `read` and `write`. SQLite or PostgreSQL.

Every `write` is one real transaction that sees what it changes: BEGIN
IMMEDIATE on SQLite (its driver's own deferred BEGIN lost 477 of 600 updates,
research/durable.md section 6), row locks on PostgreSQL. Blocking on purpose;
the callers run in threads.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session, create_engine

from trilock.server.domain.errors import PreconditionError, UnavailableError

_BUSY_SECONDS: Final = 10
_POSTGRES_OPTIONS: Final = (
    "-c synchronous_commit=on -c lock_timeout=10s -c idle_in_transaction_session_timeout=10s"
)

_READ: Final[Mapping[str, Mapping[str, Any]]] = {
    # Its transactions see one state anyway, from the first statement on.
    "sqlite": {"readonly": True},
    # By default every statement of one transaction sees another state.
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


class _ReadSession(Session):
    """A session in which a row that was read once is read once.

    Its transaction sees one state, so a row that is asked for again has not changed. A
    session of itself forgets rows that nobody holds.
    """


@event.listens_for(_ReadSession, "loaded_as_persistent")
def _hold(session: Session, row: object) -> None:
    session.info.setdefault(_ROWS, []).append(row)


_ROWS: Final = "rows"
_FOLLOW_UPS: Final = "follow-ups"
_REVISION: Final = "revision"
"""Keys of what a session has noted for its commit."""


class DatabaseInUseError(PreconditionError):
    """Another server has the SQLite file."""

    reason = "FAILED_PRECONDITION"

    def __init__(self, *, path: Path, pid: str) -> None:
        super().__init__(
            f"{path} is used by the server with pid {pid}; stop it first, or give this one "
            "another file",
            path=path,
            pid=pid,
        )


class Database:
    """trilock's own database: the truth."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        """Connect to nothing yet.

        Args:
            url: `sqlite:///FILE` or `postgresql://...`.
            durable: False for a SQLite file that need not outlive a power cut.
        """
        self.url = sa.make_url(url)
        self.engine = _make_engine(self.url, durable=durable)
        self._after_write: list[Callable[[], None]] = []
        self._after_revision: list[Callable[[], None]] = []

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def path(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return Path(self.url.database) if self.dialect == "sqlite" and self.url.database else None

    def after_write(self, nudge: Callable[[], None]) -> None:
        """Have *nudge* called after every committed write, in the writing thread."""
        self._after_write.append(nudge)

    def after_revision(self, nudge: Callable[[], None]) -> None:
        """Do the same, only after writes that allotted a revision: what readers are told of."""
        self._after_revision.append(nudge)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state and cannot write.

        Raises:
            UnavailableError: The database does not answer.
        """
        with self._session(_READ[self.dialect], kind=_ReadSession) as session:
            # Closing it ends the transaction and, unlike rolling back, leaves rows readable.
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session; commit when the block ends, roll back when it raises.

        Raises:
            UnavailableError: The database does not answer, or is busy; nothing was written.
        """
        with self._session({}, kind=Session) as session:
            yield session
            session.commit()
        # What waits for this very write first: those who only look compete with it.
        for follow_up in session.info.get(_FOLLOW_UPS, ()):
            follow_up()
        if session.info.get(_REVISION):
            for nudge in self._after_revision:
                nudge()
        for nudge in self._after_write:
            nudge()

    @contextmanager
    def _session(self, options: Mapping[str, Any], *, kind: type[Session]) -> Iterator[Session]:
        try:
            with (
                self.engine.connect().execution_options(**options) as connection,
                kind(connection, expire_on_commit=False) as session,
            ):
                yield session
        except OperationalError as error:
            raise UnavailableError(f"trilock's database: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise UnavailableError(f"trilock's database: {_first_line(error)}") from error
            raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def after_commit(session: Session, follow_up: Callable[[], None]) -> None:
    """Have *follow_up* called in this thread once the write *session* is committed, if it is."""
    session.info.setdefault(_FOLLOW_UPS, []).append(follow_up)


def allots_revision(session: Session) -> None:
    """Say that *session* changes what readers are told of."""
    session.info[_REVISION] = True


class FileLock:
    """One server process per SQLite file, for as long as it lives.

    The kernel lets go when the process dies, however it dies, so a lock that is
    taken means that nobody else drives operations: leases found are a dead
    process's. Not on NFS.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> Self:
        """Take the lock.

        Raises:
            DatabaseInUseError: A living process has it; its pid is named.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise DatabaseInUseError(path=self._database, pid=pid) from error
        os.truncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file
        return self

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        """Take the lock."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.release()


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer"


def _make_engine(url: sa.URL, *, durable: bool) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        # `postgresql://` means psycopg 3 here; SQLAlchemy would look for psycopg 2.
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(
            url,
            pool_pre_ping=True,
            connect_args={"options": _POSTGRES_OPTIONS, "connect_timeout": 3},
        )
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI is untyped
        # sqlite3 must not emit its own BEGIN: it is deferred, and before DML only.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            # NORMAL may lose an intent whose effect has happened.
            f"synchronous={'FULL' if durable else 'OFF'}",
            f"busy_timeout={_BUSY_SECONDS * 1000}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        readonly = connection.get_execution_options().get("readonly")
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine
