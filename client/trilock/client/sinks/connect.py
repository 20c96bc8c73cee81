"""Which database is behind a URL, and a connection to it."""

from trilock.client.sinks.session import Session


def is_sqlite(url: str) -> bool:
    """Return whether *url* names an SQLite file, not a PostgreSQL server.

    Raises:
        ValueError: It names neither.
    """
    if url.startswith("sqlite:///"):
        return True
    if url.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        return False
    # The URL itself may hold a password.
    raise ValueError("a sink's URL starts with sqlite:/// or postgresql://")


def connect(url: str, *, name: str, timeout: float) -> Session:
    """Return a new connection.

    Args:
        url: `sqlite:///path` or `postgresql://...`.
        name: What the database's administrator sees.
        timeout: Seconds to wait for the connection, and on SQLite for the write lock.

    Raises:
        LostError: No answer.
    """
    # Imported here: psycopg is an extra, and an SQLite user need not have it.
    if is_sqlite(url):
        from trilock.client.sinks.sqlite import SqliteSession  # noqa: PLC0415

        return SqliteSession(url.removeprefix("sqlite:///"), timeout=timeout)
    from trilock.client.sinks.postgres import PostgresSession  # noqa: PLC0415

    return PostgresSession(url, name=name, timeout=timeout)
