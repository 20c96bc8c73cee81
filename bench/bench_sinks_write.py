"""How much slower the writer is than the database's own fastest way to load 1,000,000 rows.

    .venv/bin/python bench/bench_sinks_write.py

The baseline puts the same batches into the same table with COPY, or executemany, one
transaction a batch, and keeps nothing. The writer holds the fence, knows each batch
again, and keeps what every key held before: three tables are written instead of one.

TRILOCK_BENCH_ROWS sets another number of rows.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import psycopg
from sink_databases import (
    NAME,
    ROWS,
    TABLE,
    Row,
    batches,
    databases,
    execute,
    register,
    row,
    seconds,
)

from trilock.client.sinks import SinkWriter
from trilock.server.sinks.connect import sink_database

BOUND: Final = 12.0
_BATCH: Final = 50_000


def _batches() -> Iterator[list[Row]]:
    return batches(1, ROWS, size=_BATCH, delay=2.0)


def bare(url: str) -> float:
    """Return how long the bare load takes."""
    execute(url, "DROP TABLE IF EXISTS bare", TABLE.format("bare"))
    return seconds(lambda: _load_sqlite(url) if url.startswith("sqlite") else _copy(url))


def _load_sqlite(url: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for some in _batches():
            with connection:
                connection.executemany("INSERT INTO bare VALUES (?, ?, ?)", some)


def _copy(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for some in _batches():
            with connection.cursor().copy("COPY bare FROM STDIN") as copy:
                for each in some:
                    copy.write_row(each)


def write(url: str, *, epoch: int) -> float:
    """Return how long the writer takes."""

    def work() -> None:
        with SinkWriter(url, sink=NAME, epoch=epoch) as writer:
            for some in _batches():
                writer.write(
                    [{"flight": k, "delay": delay, "note": note} for k, delay, note in some]
                )

    return seconds(work)


def main() -> int:
    """Measure both databases, staged and direct; return 1 if a bound is broken."""
    kept = []
    with databases() as urls:
        for kind, url in urls.items():
            bare_seconds = bare(url)
            kept.append(row(f"write_{kind}_bare_seconds", bare_seconds, "s", None))
            for epoch, opening in enumerate(("open_staged", "open_direct"), start=4):
                execute(url, "DROP TABLE IF EXISTS predictions", TABLE.format("predictions"))
                getattr(sink_database(url), opening)(register(url), epoch=epoch)
                took = write(url, epoch=epoch)
                name = f"write_{kind}_{opening.removeprefix('open_')}"
                kept += [
                    row(f"{name}_seconds", took, "s", None),
                    row(f"{name}_over_bare", took / bare_seconds, "x", BOUND),
                ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
