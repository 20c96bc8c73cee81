"""What the journal costs a step: at most twice one durable commit.

    .venv/bin/python bench/bench_journal.py

The steps do nothing, so that what remains is the journal: reading where the operation
is, the intent, the outcome, their events, the lease. The baseline is the least that any
journal can do: one row, one transaction, one fsync, in sqlite3 itself, in the same folder.

How many durable commits a step takes is counted, too: that is the same on every disk. The
time over one commit is not. One and the same virtual machine answered an fsync in 3 ms and,
an hour later, in 0.07 ms, which is less than Python takes for one statement of SQLAlchemy.
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import SQLModel

from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.domain.operation import (
    Json,
    JsonValue,
    OperationKind,
    Plan,
    PlannedStep,
)
from trilock.server.domain.release import Cause
from trilock.server.operations.journal import Journal
from trilock.server.operations.runner import Runner
from trilock.server.store.counters import begin_generation
from trilock.server.store.database import Database

BOUND: Final = 2.0
ROUNDS: Final = 9
SHORT, LONG = 5, 55
ALIAS: Final = AliasRef(model_name("bench"), alias_name("production"))


class SetNothing:
    """A step outside that costs nothing: it is done once it was begun."""

    name: ClassVar[str] = "set_nothing"
    timeout: ClassVar[float] = 1.0

    def __init__(self) -> None:
        self._done: set[str] = set()

    def look(self, args: Json) -> JsonValue:
        """Return whether it is done."""
        return args["what"] in self._done

    def want(self, args: Json) -> JsonValue:
        """Return that it is."""
        del args
        return True

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Have it done."""
        del before
        self._done.add(args["what"])

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Have it not done."""
        del before
        self._done.discard(args["what"])


@contextmanager
def journal(folder: Path) -> Iterator[tuple[Database, Journal, Runner]]:
    """Yield a journal on a durable SQLite file in *folder*, and what drives it."""
    database = Database(f"sqlite:///{folder}/trilock.db")
    SQLModel.metadata.create_all(database.engine)
    with database.write() as session:
        begin_generation(session)
    made = Journal(database)
    try:
        yield database, made, Runner(database, made, {SetNothing.name: SetNothing()})
    finally:
        database.close()


def plan(number: int, *, steps: int) -> Plan:
    """Return a plan of so many steps."""
    return Plan(
        id=f"bench-{number}",
        kind=OperationKind.PROMOTE,
        alias=ALIAS,
        etag='"0"',
        steps=tuple(
            PlannedStep(step=SetNothing.name, args={"what": f"{number}/{step}"}, title="nothing")
            for step in range(steps)
        ),
        converges=(),
    )


def drive_ms(
    database: Database, made: Journal, runner: Runner, *, number: int, steps: int
) -> float:
    """Return the milliseconds it takes to drive an operation of so many steps to its end."""
    with database.write() as session:
        operation = made.submit(
            session,
            plan(number, steps=steps),
            request_id="",
            request_hash="",
            cause=Cause(principal="bench"),
            release=None,
            scopes=(str(ALIAS),),
        )
    start = time.perf_counter()
    runner.drive(operation.id)
    took = (time.perf_counter() - start) * 1e3
    if not made.get(operation.id).done:
        raise RuntimeError(f"{operation.name} is not done")
    return took


def commits_per_step(database: Database, made: Journal, runner: Runner) -> float:
    """Return how many durable commits one more step takes."""
    written = 0

    def count(connection: sa.Connection) -> None:
        nonlocal written
        written += not connection.get_execution_options().get("readonly")

    event.listen(database.engine, "commit", count)
    counts = []
    for number, steps in ((2 * ROUNDS + 1, SHORT), (2 * ROUNDS + 2, LONG)):
        written = 0
        drive_ms(database, made, runner, number=number, steps=steps)
        counts.append(written)
    event.remove(database.engine, "commit", count)
    return (counts[1] - counts[0]) / (LONG - SHORT)


def commit_ms(folder: Path, *, times: int) -> float:
    """Return the median milliseconds of one durable commit of one row."""
    took = []
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS step (id INTEGER PRIMARY KEY, state TEXT)")
        for _ in range(times):
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO step (state) VALUES ('DONE')")
            connection.execute("COMMIT")
            took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


def main() -> int:
    """Measure; return 1 if the bound is broken."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        with journal(folder) as (database, made, runner):
            drive_ms(database, made, runner, number=0, steps=LONG)  # warms every cache
            per_step, commits, ratios = [], [], []
            for round_ in range(ROUNDS):
                number = 2 * round_ + 1
                short = drive_ms(database, made, runner, number=number, steps=SHORT)
                long = drive_ms(database, made, runner, number=number + 1, steps=LONG)
                per_step.append((long - short) / (LONG - SHORT))
                # Right beside it: a disk has better and worse minutes.
                commits.append(commit_ms(folder, times=LONG - SHORT))
                ratios.append(per_step[-1] / commits[-1])
            counted = commits_per_step(database, made, runner)
    step, commit, ratio = map(statistics.median, (per_step, commits, ratios))
    figures = [
        ("durable_commit", commit, "ms", None),
        ("journal_per_step", step, "ms", None),
        ("journal_commits_per_step", counted, "commits", BOUND),
        ("journal_per_step_over_commit", ratio, "x", BOUND),
    ]
    broken = False
    for name, value, unit, bound in figures:
        ok = bound is None or value <= bound
        broken |= not ok
        figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
        print(json.dumps(figure))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
