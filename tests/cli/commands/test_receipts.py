"""`sinks receipt`, `quarantine` and `purge`, against the real server and a real sink."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.command_line import Run, Trilock
from tests.support.served_world import Served, secret_of, served_world
from tests.support.world import World
from trilock.client import Client
from trilock.client.errors import InvalidError, NotFoundError, PreconditionError
from trilock.client.sinks import SinkWriter, quarantine_of


class Operator:
    """Runs commands with the rights of one role."""

    def __init__(self, served: Served, folder: Path, *, role: str) -> None:
        self.token = folder / f"{role}.token"
        self.token.write_text(secret_of(role))
        self._trilock = Trilock(served.address)

    def __call__(self, *arguments: str, code: int = 0) -> Run:
        run = self._trilock(*arguments, env={"TRILOCK_TOKEN_FILE": str(self.token)})
        assert run.code == code, run
        return run


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """For tests that only look."""
    with _served(tmp_path_factory.mktemp("receipts")) as served:
        yield served


@contextmanager
def _served(folder: Path) -> Iterator[Served]:
    """Yield a world whose second release wrote, was finalized, wrote again and was rolled back.

    Three of its four rows are out of the table again; one was changed by somebody.
    """
    with served_world(folder) as served:
        w = served.world
        w.register()
        w.release(w.record())
        w.write(w.live().release, UA1=1.0)
        w.promote(w.record(variant="scaled"))
        w.settle()
        w.write(w.live().release, UA1=10.0, UA2=20.0, UA3=30.0)
        w.finalize()
        w.settle()
        w.write(w.live().release, UA4=40.0)
        _sql(w, "UPDATE predictions SET delay = -1 WHERE flight = 'UA3'")
        w.roll_back()
        w.settle()
        w.write(w.live().release, UA3=3.0)
        yield served


@pytest.fixture
def trilock(served: Served, tmp_path: Path) -> Operator:
    return Operator(served, tmp_path, role="admin")


class TestChanges:
    """What changes something has a world of its own."""

    @pytest.fixture
    def served(self, tmp_path: Path) -> Iterator[Served]:
        with _served(tmp_path) as served:
            yield served

    @pytest.fixture
    def trilock(self, served: Served, tmp_path: Path) -> Operator:
        return Operator(served, tmp_path, role="admin")

    def test_quarantined_rows_are_replayed_into_the_same_file(
        self, served: Served, trilock: Operator
    ) -> None:
        url = f"sqlite:///{served.world.warehouse}"
        good = SinkWriter(
            url, sink="models/delay/sinks/predictions", epoch=served.world.live().epoch
        )

        with Client(served.address, token_file=trilock.token) as client, good:
            rows = quarantine_of(
                client, "models/delay/releases/2", "predictions", connections={"warehouse": url}
            )
            for row in rows:
                good.write([{**row, "delay": 0.0}])
            with pytest.raises(InvalidError, match="the connections given are: lake"):
                quarantine_of(
                    client, "models/delay/releases/2", "predictions", connections={"lake": url}
                )
            with pytest.raises(InvalidError):
                quarantine_of(client, "2", "predictions", connections=url)
            with pytest.raises(NotFoundError):
                quarantine_of(client, "models/delay/releases/9", "predictions", connections=url)

        assert served.world.table() == {"UA1": 0.0, "UA2": 0.0, "UA3": 3.0, "UA4": 0.0}

    def test_purge_says_first_and_deletes_then(self, served: Served, trilock: Operator) -> None:
        url = f"sqlite:///{served.world.warehouse}"
        said = trilock("sinks", "purge", "--release=2")
        nothing_yet = trilock("sinks", "purge", "--yes")
        purged = trilock("sinks", "purge", "--release=2", "--yes")
        again = trilock("sinks", "purge", "--release=2", "--yes", "-o", "json")

        assert "models/delay/releases/2" in said.out
        assert said.err == "1 receipt would be purged: say --yes\n"
        assert nothing_yet.err == "0 receipts purged\n"
        assert purged.err == "1 receipt purged\n"
        assert again.json == []
        gone = trilock("sinks", "receipt", "2", code=1)
        assert "was purged" in gone.err
        assert trilock("sinks", "quarantine", "2", code=1).out == ""
        with (
            Client(served.address, token_file=trilock.token) as client,
            pytest.raises(PreconditionError),
        ):
            quarantine_of(client, "models/delay/releases/2", "predictions", connections=url)

    def test_a_table_may_have_any_name(self, served: Served, trilock: Operator) -> None:
        _sql(served.world, 'CREATE TABLE "the ""new"" table; --" ("flight no" TEXT PRIMARY KEY)')
        _sql(served.world, "CREATE TABLE unrelated (id INTEGER)")
        name = ("--connection=warehouse", '--table=the "new" table; --')

        shown = trilock("sinks", "register", "log", *name, "--key=flight no", "--live-view")
        refused = trilock(
            "sinks", "register", "log", "--connection=warehouse", "--table=unrelated", code=3
        )

        assert 'the "new" table; --_live' in shown.out
        assert "as table 'the \"new\" table; --' of 'warehouse'" in refused.err

    def test_what_ended_long_ago_is_purged(self, trilock: Operator) -> None:
        run = trilock("sinks", "purge", "--older-than=0", "--yes", "-o", "json")

        assert [each["release"] for each in run.json] == [
            "models/delay/releases/1",
            "models/delay/releases/2",
        ]

    def test_a_database_that_is_gone_is_said_and_is_no_success(
        self, served: Served, trilock: Operator
    ) -> None:
        served.world.warehouse.rename(served.world.warehouse.with_suffix(".away"))

        run = trilock("sinks", "receipt", "2", code=1)

        assert "predictions" in run.out
        assert "unable to open database file" in run.err


def _sql(w: World, statement: str) -> None:
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        connection.execute(statement)


def test_the_numbers(trilock: Operator) -> None:
    run = trilock("sinks", "receipt", "2")

    header, line = run.out.splitlines()
    assert header.split()[-5:] == ["apart", "kept", "present", "replaced", "gone"]
    assert line.split()[-5:] == ["3", "0", "0", "1", "0"]
    assert "CLOSED" in line
    assert "4 rows" in line


def test_every_row_as_csv(trilock: Operator) -> None:
    run = trilock("sinks", "receipt", "delay/2", "--sink=predictions", "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert [(row["key"], row["state"], row["replaced_by"]) for row in rows] == [
        ('["UA1"]', "APART", ""),
        ('["UA2"]', "APART", ""),
        ('["UA3"]', "REPLACED", "models/delay/releases/3"),
        ('["UA4"]', "APART", ""),
    ]
    assert len({row["batch"] for row in rows}) == 2
    assert all(row["written"].endswith("Z") for row in rows)


def test_every_row_as_json(trilock: Operator) -> None:
    (receipt,) = trilock("sinks", "receipt", "2", "-o", "json").json

    assert (receipt["sink"], receipt["state"]) == ("models/delay/sinks/predictions", "CLOSED")
    assert receipt["counts"] == [{"state": "APART", "rows": 3}, {"state": "REPLACED", "rows": 1}]
    assert [(row["key"], row["state"]) for row in receipt["rows"]] == [
        ({"flight": "UA1"}, "APART"),
        ({"flight": "UA2"}, "APART"),
        ({"flight": "UA3"}, "REPLACED"),
        ({"flight": "UA4"}, "APART"),
    ]


def test_the_query_to_backfill_runs(served: Served, trilock: Operator) -> None:
    run = trilock("sinks", "receipt", "2", "-o", "sql")

    comment, query = run.out.splitlines()
    assert comment == "-- models/delay/sinks/predictions: predictions of warehouse"
    with closing(sqlite3.connect(served.world.warehouse)) as connection:
        assert connection.execute(query).fetchall() == [("UA1",), ("UA2",), ("UA3",), ("UA4",)]


def test_a_live_release_has_a_receipt_too(trilock: Operator) -> None:
    (receipt,) = trilock("sinks", "receipt", "3", "-o", "json").json

    assert (receipt["state"], receipt["counts"]) == ("DIRECT", [{"state": "PRESENT", "rows": 1}])


def test_what_is_in_quarantine_is_exported(trilock: Operator) -> None:
    as_json = trilock("sinks", "quarantine", "2").out.splitlines()
    as_csv = trilock("sinks", "quarantine", "2", "-o", "csv").out

    assert [json.loads(line) for line in as_json] == [
        {"flight": "UA1", "delay": 10.0},
        {"flight": "UA2", "delay": 20.0},
        {"flight": "UA4", "delay": 40.0},
    ]
    assert as_csv == "flight,delay\nUA1,10.0\nUA2,20.0\nUA4,40.0\n"


def test_what_is_live_is_not_purged(trilock: Operator) -> None:
    run = trilock("sinks", "purge", "--release=3", "--yes", code=3)

    assert "models/delay/releases/3 is FINALIZED: it cannot be purged" in run.err


@pytest.mark.parametrize("command", ["receipt", "quarantine"])
def test_what_does_not_exist_is_named(trilock: Operator, command: str) -> None:
    no_release = trilock("sinks", command, "9", code=2)
    no_sink = trilock("sinks", command, "2", "--sink=other", code=2)
    malformed = trilock("sinks", command, "two", code=2)

    assert "models/delay/releases/9 does not exist" in no_release.err
    assert "models/delay/sinks/other does not exist" in no_sink.err
    assert "two" in malformed.err


def test_serving_processes_see_numbers_and_no_rows(served: Served, tmp_path: Path) -> None:
    serving = Operator(served, tmp_path, role="serve")

    serving("sinks", "receipt", "models/delay/releases/2", code=0)
    refused = serving("sinks", "quarantine", "models/delay/releases/2", code=3)

    assert "needs" in refused.err or "may not" in refused.err
