"""Brings the schema up: all of it or nothing, by one at a time, a copy first.

Alembic is imported only when there is something to do: a start on an up-to-date
database asks one question.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from trilock.migrations import HEAD
from trilock.server.domain.errors import SchemaOutdatedError
from trilock.server.store.database import Database
from trilock.server.store.tables import ProgramRow

if TYPE_CHECKING:
    from alembic.config import Config

_SCRIPTS: Final = Path(str(files("trilock.migrations")))
_ADVISORY_KEY: Final = 7420001
_POSTGRES_WAIT: Final = "60s"
"""How long a replica waits for another one that migrates."""


def head() -> str:
    """Return the schema that this program needs."""
    return HEAD


def current(database: Database) -> str | None:
    """Return the schema that the database has; None if it is empty."""
    with database.read() as session:
        return _current(session.connection())


def require_current(database: Database) -> None:
    """Do nothing if this program works on the database's schema: its own, or a newer neighbour.

    Raises:
        SchemaOutdatedError: It has another one, older or newer, or none.
    """
    found = current(database)
    if found != head() and not _is_neighbour(database, found=found):
        _forbid_newer(found)
        raise SchemaOutdatedError(found=found, wanted=head())


def upgrade(database: Database) -> Path | None:
    """Bring the schema up to `head`, in one transaction. Idempotent; a newer neighbour stays.

    Returns:
        The copy that was made beside a SQLite file with an older schema; None if
        there was nothing to copy.

    Raises:
        SchemaOutdatedError: The schema is newer than this program stands; nothing was changed.
        UnavailableError: The database does not answer; nothing was changed.
    """
    if database.path is not None:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    found = current(database)
    if found == head() or _is_neighbour(database, found=found):
        return None
    _forbid_newer(found)
    copy = None
    if database.path is not None and found is not None:
        copy = _copy(database.path, suffix=f".before-{head()}")
    with _alone(database) as connection:
        # Another replica may have been faster.
        found = _current(connection)
        if found != head():
            _run_scripts(connection, found=found)
    return copy


def _is_neighbour(database: Database, *, found: str | None) -> bool:
    """Return whether *found* is a schema that says that this program works on it."""
    if found is None:
        return False
    with database.read() as session:
        has_table = sa.inspect(session.connection()).has_table(ProgramRow.__tablename__)
        return has_table and session.get(ProgramRow, head()) is not None


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none()


def _forbid_newer(found: str | None) -> None:
    """Do nothing unless *found* is a schema that no script of this program makes.

    Raises:
        SchemaOutdatedError: It is.
    """
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as in _run_scripts

    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaOutdatedError(found=found, wanted=head(), is_newer=True)


def _run_scripts(connection: sa.Connection, *, found: str | None) -> None:
    # Takes 0.2 s to import, and most starts do not need it.
    from alembic import command  # noqa: PLC0415

    _forbid_newer(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, head())


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - as in _run_scripts

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """Yield the connection of a transaction in which nobody else migrates."""
    if database.dialect == "postgresql":
        with database.write() as session:
            connection = session.connection()
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_POSTGRES_WAIT}'"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_KEY)))
            yield connection
        return
    try:
        with database.write() as session:
            # SQLite alters a table by making a new one and dropping the old, which others
            # refer to; the checks can only be switched off before the transaction.
            _dbapi(session).execute("PRAGMA foreign_keys=OFF")
            connection = session.connection()
            yield connection
            if broken := connection.execute(sa.text("PRAGMA foreign_key_check")).all():
                raise RuntimeError(f"the scripts broke references: {broken}")
    finally:
        # The pool must not hand out the connection whose checks are off.
        database.close()


def _dbapi(session: Session) -> Any:  # noqa: ANN401 - DBAPI is untyped
    connection = session.get_bind()
    if not isinstance(connection, sa.Connection):
        raise TypeError(f"the session is bound to {connection!r}, not to a connection")
    return connection.connection.driver_connection


def _copy(path: Path, *, suffix: str) -> Path:
    """Copy the SQLite file beside itself, whole even while somebody reads or writes it."""
    copy = path.with_name(path.name + suffix)
    unfinished = copy.with_name(copy.name + ".part")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
        # A server that is ever started on it must begin a new generation.
        target.execute("UPDATE store SET restored = 1")
        target.commit()
    shutil.copymode(path, unfinished)
    unfinished.replace(copy)
    return copy
