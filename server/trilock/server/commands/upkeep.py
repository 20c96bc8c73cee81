"""Bring the schema up, make a copy, and say that a copy was put back."""

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

from trilock.server.domain.errors import AlreadyExistsError, NotFoundError, PreconditionError
from trilock.server.settings import Settings, load_settings, redacted


def migrate(config: Path | None) -> str:
    """Bring the database's schema up to what this trilock needs. Idempotent.

    Returns:
        What was done, in one line.

    Raises:
        DatabaseInUseError: A server is running on the SQLite file.
        SchemaOutdatedError: The schema is newer than this trilock.
        UnavailableError: The database does not answer.
    """
    from trilock.server.store.database import Database, FileLock  # noqa: PLC0415 - takes 0.2 s
    from trilock.server.store.migrate import current, head, upgrade  # noqa: PLC0415

    settings = load_settings(config)
    with closing(Database(settings.database.url.get_secret_value())) as database:
        if database.path is None:
            before = current(database)
            copy = upgrade(database)
        else:
            with FileLock(database.path):
                before = current(database)
                copy = upgrade(database)
    where = redacted(settings.database.url.get_secret_value())
    if before == head():
        return f"{where} has schema {head()} already"
    kept = "" if copy is None else f"; a copy from before is {copy}"
    return f"{where} has schema {head()} now, it had {before or 'none'}{kept}"


def backup(config: Path | None, target: Path) -> str:
    """Copy the database into the new file *target*, while the server runs or not.

    Returns:
        What was done, in one line.

    Raises:
        AlreadyExistsError: *target* is there.
        NotFoundError: There is no database yet.
        PreconditionError: The database is PostgreSQL, no database of trilock, or the copy
            cannot be written.
    """
    from trilock.server.store.backup import copy_sqlite  # noqa: PLC0415 - with migrate's imports

    source = _sqlite_file(load_settings(config))
    if not source.is_file():
        raise NotFoundError(f"database {source}", hint="a server makes it when it first starts")
    try:
        copy_sqlite(source, target)
    except FileExistsError as error:
        raise AlreadyExistsError(str(target), what="choose another file") from error
    except OSError as error:
        raise PreconditionError(f"cannot write {target}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise PreconditionError(f"cannot copy {source}: {error}") from error
    return f"copied {source} to {target}, {target.stat().st_size} bytes"


def restored(config: Path | None) -> str:
    """Mark the database as a copy that was put back: the next start begins a new generation.

    `backup` marks its copies itself; what pg_dump or a copied disk brings back is not
    marked. Idempotent.

    Returns:
        What was done, in one line.

    Raises:
        DatabaseInUseError: A server is running on the SQLite file.
        NotFoundError: There is no database yet, or no server was ever started on it.
        SchemaOutdatedError: The schema is not one that this trilock works with.
        UnavailableError: The database does not answer.
    """
    from trilock.server.store.counters import mark_restored  # noqa: PLC0415 - with the database
    from trilock.server.store.database import Database, FileLock  # noqa: PLC0415 - takes 0.2 s
    from trilock.server.store.migrate import require_current  # noqa: PLC0415

    settings = load_settings(config)
    url = settings.database.url.get_secret_value()
    with closing(Database(url)) as database:
        if database.path is not None and not database.path.is_file():
            raise NotFoundError(f"database {database.path}", hint="there is nothing to mark")
        with nullcontext() if database.path is None else FileLock(database.path):
            require_current(database)
            with database.write() as session:
                mark_restored(session)
    return (
        f"{redacted(url)} is marked as restored: the next server that is started on it begins a "
        "new generation, and drives every plane again"
    )


def _sqlite_file(settings: Settings) -> Path:
    url = settings.database.url.get_secret_value()
    if not url.startswith("sqlite:///"):
        raise PreconditionError(
            "the database is PostgreSQL: copy it with pg_dump, and after putting such a copy back "
            "run `trilock restored` before a server is started on it"
        )
    return Path(url.removeprefix("sqlite:///"))
