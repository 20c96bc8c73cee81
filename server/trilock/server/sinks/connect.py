"""Which database is behind a URL."""

from pathlib import Path

from trilock.client.sinks.connect import is_sqlite
from trilock.server.sinks.catalog import Catalog
from trilock.server.sinks.merge import Checkpoint
from trilock.server.sinks.records import SqlSinkRecords
from trilock.server.sinks.sql_sink_database import SqlSinkDatabase


def sink_database(
    url: str, *, forbidden: Path | None = None, checkpoint: Checkpoint = lambda _: None
) -> SqlSinkDatabase:
    """Return the database of sinks at *url*. Does not connect yet.

    Args:
        url: `sqlite:///path` or `postgresql://...`.
        forbidden: trilock's own SQLite file, which is never a sink.
        checkpoint: Called at every place a crash must be survivable.

    Raises:
        SinkError: *url* names the forbidden file.
        ValueError: *url* is neither.
    """
    return SqlSinkDatabase(_catalog(url, forbidden=forbidden), checkpoint=checkpoint)


def sink_records(url: str, *, forbidden: Path | None = None) -> SqlSinkRecords:
    """Return what the database of sinks at *url* has recorded. See `sink_database`."""
    return SqlSinkRecords(_catalog(url, forbidden=forbidden))


def _catalog(url: str, *, forbidden: Path | None) -> Catalog:
    # Imported here: a server that has no PostgreSQL need not have psycopg.
    if is_sqlite(url):
        from trilock.server.sinks.sqlite_catalog import SqliteCatalog  # noqa: PLC0415

        return SqliteCatalog(url.removeprefix("sqlite:///"), forbidden=forbidden)
    from trilock.server.sinks.postgres_catalog import PostgresCatalog  # noqa: PLC0415

    return PostgresCatalog(url)
