"""How long finalize takes: 1,000,000 staged rows, at most twice a bare INSERT ... SELECT.

    .venv/bin/python bench/bench_sinks_finalize.py

The baseline does what any finalize has to, in one transaction and with nobody to
look out for: it keeps the rows that will be replaced as an undo image, and puts the
staged rows into the same table with one INSERT ... SELECT. Three mixes: all keys new,
all of them there already, half and half. Beside the time: what the merging process
needs of memory, and on PostgreSQL how long a reader of the table waits meanwhile.

TRILOCK_BENCH_ROWS sets another number of rows.
"""

# Every formatted value is a number of this file's own.
# ruff: noqa: S608

import multiprocessing
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from sink_databases import (
    NAME,
    ROWS,
    TABLE,
    batches,
    databases,
    execute,
    register,
    row,
    seconds,
)

from trilock.client.sinks import SinkWriter
from trilock.server.sinks.connect import sink_database

BOUND: Final = 2.0
MEMORY_MB: Final = 200.0
READER_MS: Final = 200.0
_BATCH: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize:
    """What one finalize needed."""

    seconds: float
    bare_seconds: float
    memory_mb: float
    reader_ms: float


def fill(url: str, *, there: int) -> None:
    """Make the table with *there* rows of the keys that are staged, and as many others."""
    execute(url, "DROP TABLE IF EXISTS predictions", TABLE.format("predictions"))
    others = ROWS * 2
    if url.startswith("sqlite"):
        count = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {}) "
        insert = "INSERT INTO predictions {} SELECT k + {}, 0.5, 'old' FROM n"
        numbers = [(there, 0), (ROWS, others)]
        for many, offset in numbers:
            if many:
                execute(url, insert.format(count.format(many), offset))
    else:
        for many, offset in ((there, 0), (ROWS, others)):
            execute(
                url,
                f"INSERT INTO predictions SELECT k + {offset}, 0.5, 'old' "
                f"FROM generate_series(1, {many}) k",
            )
        execute(url, "ANALYZE predictions")


def stage(url: str, *, epoch: int) -> None:
    """Stage ROWS rows."""
    sink_database(url).open_staged(register(url), epoch=epoch)
    with SinkWriter(url, sink=NAME, epoch=epoch) as writer:
        for some in batches(1, ROWS, size=_BATCH, delay=2.0):
            writer.write(
                [{"flight": key, "delay": delay, "note": note} for key, delay, note in some]
            )


def bare(url: str) -> float:
    """Return how long the same takes without trilock."""
    execute(
        url,
        "DROP TABLE IF EXISTS bare_staging",
        "DROP TABLE IF EXISTS bare_image",
        TABLE.format("bare_staging"),
        "CREATE TABLE bare_image (flight integer PRIMARY KEY, delay double precision, note text)",
    )
    execute(
        url,
        "INSERT INTO bare_staging SELECT flight, 2.0, 'bench' FROM "
        + (
            f"generate_series(1, {ROWS}) flight"
            if not url.startswith("sqlite")
            else "(WITH RECURSIVE n(flight) AS (SELECT 1 UNION ALL SELECT flight + 1 FROM n "
            f"WHERE flight < {ROWS}) SELECT flight FROM n)"
        ),
    )
    if not url.startswith("sqlite"):
        execute(url, "ANALYZE bare_staging")
    return seconds(
        lambda: execute(
            url,
            "INSERT INTO bare_image SELECT t.* FROM predictions t "
            "JOIN bare_staging s ON s.flight = t.flight",
            "INSERT INTO predictions SELECT * FROM bare_staging WHERE true "
            "ON CONFLICT (flight) DO UPDATE SET delay = excluded.delay, note = excluded.note",
        )
    )


def merge_elsewhere(url: str, epoch: int, told: "multiprocessing.connection.Connection") -> None:
    """Merge in this process; tell the seconds and the most memory it had, in MB."""
    sink = register(url)
    took = seconds(lambda: sink_database(url).merge(sink, epoch=epoch))
    # getrusage would tell the most of the process that this one was forked from.
    status = Path("/proc/self/status").read_text().split()
    told.send((took, int(status[status.index("VmHWM:") + 1]) / 1024))


def finalize(url: str, *, there: int, epoch: int) -> Finalize:
    """Return what it takes when *there* of the keys are in the table."""
    fill(url, there=there)
    bare_seconds = bare(url)
    fill(url, there=there)
    stage(url, epoch=epoch)

    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    slowest, done = [0.0], threading.Event()
    reader = threading.Thread(target=_read, args=(url, slowest, done))
    if not url.startswith("sqlite"):
        reader.start()
    process = spawn.Process(target=merge_elsewhere, args=(url, epoch, theirs))
    process.start()
    took, memory = mine.recv()
    process.join()
    done.set()
    if reader.ident is not None:
        reader.join()
    ((found,),) = execute(url, "SELECT count(*) FROM predictions WHERE delay = 2.0")
    if found != ROWS:
        raise RuntimeError(f"{found} rows were merged, not {ROWS}")
    return Finalize(
        seconds=took, bare_seconds=bare_seconds, memory_mb=memory, reader_ms=slowest[0] * 1e3
    )


def _read(url: str, slowest: list[float], done: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        key = 0
        while not done.wait(0.002):
            key = key % ROWS + 997
            begun = time.perf_counter()
            connection.execute("SELECT delay FROM predictions WHERE flight = %s", [key]).fetchall()
            slowest[0] = max(slowest[0], time.perf_counter() - begun)


def main() -> int:
    """Measure both databases; return 1 if a bound is broken."""
    kept = []
    epochs = iter(range(4, 100))
    with databases() as urls:
        for kind, url in urls.items():
            for mix, there in (("new", 0), ("half", ROWS // 2), ("replacing", ROWS)):
                found = finalize(url, there=there, epoch=next(epochs))
                name = f"finalize_{kind}_{mix}"
                kept += [
                    row(f"{name}_seconds", found.seconds, "s", None),
                    row(f"{name}_over_bare", found.seconds / found.bare_seconds, "x", BOUND),
                    row(f"{name}_memory", found.memory_mb, "MB", MEMORY_MB),
                ]
                if kind == "postgres":
                    kept.append(row(f"{name}_slowest_read", found.reader_ms, "ms", READER_MS))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
