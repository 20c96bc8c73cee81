"""Registering again takes the table as it is now; each sink is judged by itself."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import SINK, World, world
from trilock.compat import Verdict
from trilock.server.checks.compatibility import Judge
from trilock.server.domain.names import SinkRef
from trilock.server.domain.operation import OperationState
from trilock.server.domain.sink import Sink
from trilock.server.store.sinks import get_sink
from trilock.server.usecases.register_sink import register_sink


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        yield made


def sql(w: World, statement: str) -> None:
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        connection.execute(statement)


def register(w: World, table: str, *, principal: str = "bob") -> Sink:
    return register_sink(
        w.runtime,
        sink=SinkRef(MODEL, table),
        connection="warehouse",
        table=table,
        keys=("flight",),
        validate_only=False,
        principal=principal,
    )


def test_an_altered_table_is_written_to_once_it_was_registered_again(w: World) -> None:
    bundle = w.record()
    sql(w, "ALTER TABLE predictions ADD COLUMN model TEXT")

    again = register(w, "predictions")
    operation = w.settled(w.promote(bundle))

    assert [column.name for column in again.columns] == ["flight", "delay", "model"]
    assert (again.creator, again.alterer) == ("ann", "bob")
    assert again.altered is not None
    assert operation.state is OperationState.SUCCEEDED


def test_the_same_again_changes_nothing(w: World) -> None:
    with w.database.read() as session:
        first = get_sink(session, SINK)

    assert register(w, "predictions") == first
    assert (first.altered, first.alterer) == (None, None)


def test_a_sink_that_fits_does_not_hide_one_that_does_not(w: World) -> None:
    bundle = w.record()
    judge = Judge(w.database, w)
    for table, type_ in (("before", "BLOB"), ("zero", "REAL")):
        sql(w, f"CREATE TABLE {table} (flight TEXT PRIMARY KEY, delay {type_})")
        register(w, table)

    report = judge.bundle_report(alias=ALIAS, bundle=bundle.ref)

    assert report.verdict is Verdict.INCOMPATIBLE
    assert [finding.message for finding in report.findings if finding.rule == "FIT015"] == [
        "the model writes 'delay' as double, but the column of models/delay/sinks/before is BLOB"
    ]
