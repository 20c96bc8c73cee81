"""What is special about a sink in PostgreSQL."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from tests.support.sink_world import (
    NAME,
    PREDICTIONS,
    PostgresSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.client.sinks import BatchRejectedError, SinkWriter, WriterFencedError
from trilock.server.domain.errors import PlaneUnavailableError, SinkError
from trilock.server.domain.sink import MergeCounts, UndoCounts
from trilock.server.sinks.connect import sink_database

pytestmark = pytest.mark.slow


@pytest.fixture
def world(postgres_database: str) -> PostgresSinkWorld:
    return PostgresSinkWorld(postgres_database)


@pytest.fixture
def role(world: PostgresSinkWorld) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"role_{uuid4().hex[:8]}"
    world.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    world.sql(f"DROP OWNED BY {name}")
    world.sql(f"DROP ROLE {name}")


def _as(world: PostgresSinkWorld, role: str) -> PostgresSinkWorld:
    return PostgresSinkWorld(world.url.replace("//postgres:", f"//{role}:"))


def test_every_missing_right_is_listed(world: PostgresSinkWorld, role: str) -> None:
    world.sql(PREDICTIONS)
    world.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    world.sql(f"GRANT SELECT ON predictions TO {role}")
    world.sql("CREATE ROLE other_writer LOGIN")
    world.sql("GRANT INSERT ON predictions TO other_writer")

    with pytest.raises(SinkError) as caught:
        database(_as(world, role)).inspect(table="predictions", keys=("flight",))
    world.sql("DROP OWNED BY other_writer")
    world.sql("DROP ROLE other_writer")

    assert caught.value.problems == (
        "no right to INSERT it",
        "no right to UPDATE it",
        "no right to DELETE it",
        "no right to CREATE tables in schema 'public'",
        "no right to CREATE the schema 'trilock' in the database",
        (
            "no right to end the sessions of 'other_writer', which may write to it; "
            "grant pg_signal_backend"
        ),
    )


def test_whoever_may_write_the_table_may_stage(world: PostgresSinkWorld, role: str) -> None:
    world.sql(PREDICTIONS)
    world.sql(f"GRANT SELECT, INSERT, UPDATE ON predictions TO {role}")
    sink, opened = register(world), database(world)
    opened.open_staged(sink, epoch=4)
    opened.open_direct(sink, epoch=5)

    write(_as(world, role), flights(f1=1.0), epoch=4)
    write(_as(world, role), flights(f2=2.0), epoch=5)
    opened.close(sink, epoch=4)

    with pytest.raises(WriterFencedError):
        write(_as(world, role), flights(f1=1.0), epoch=4)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _as(world, role).sql("UPDATE trilock.fence SET state = 'DIRECT'")


def test_revoked_rights_leave_the_batch_unwritten(world: PostgresSinkWorld, role: str) -> None:
    world.sql(PREDICTIONS)
    world.sql(f"GRANT SELECT, INSERT, UPDATE ON predictions TO {role}")
    sink = register(world)
    database(world).open_direct(sink, epoch=4)
    world.sql(f"REVOKE INSERT ON predictions FROM {role}")

    with pytest.raises(BatchRejectedError, match="permission denied"):
        write(_as(world, role), flights(f1=1.0), epoch=4)
    assert world.sql("SELECT count(*) FROM predictions") == [(0,)]


@pytest.mark.parametrize(
    ("setup", "problem"),
    [
        (["CREATE VIEW t AS SELECT 1 AS flight"], "it is not a table"),
        (
            ["CREATE TABLE t (flight integer PRIMARY KEY)", "CREATE TABLE c () INHERITS (t)"],
            "other tables inherit from it",
        ),
        (
            ["CREATE TABLE t (flight integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"],
            "key column 'flight' is generated: no writer can give it",
        ),
        (
            ["CREATE TABLE t (flight integer, UNIQUE (flight) DEFERRABLE)"],
            "no unique index over exactly ['flight']",
        ),
        (
            [
                "CREATE TABLE t (flight integer)",
                "CREATE UNIQUE INDEX positive ON t (flight) WHERE flight > 0",
            ],
            "no unique index over exactly ['flight']",
        ),
    ],
)
def test_tables_that_cannot_be_sinks(
    world: PostgresSinkWorld, setup: list[str], problem: str
) -> None:
    for statement in setup:
        world.sql(statement)

    with pytest.raises(SinkError) as caught:
        database(world).inspect(table="t", keys=("flight",))
    assert problem in caught.value.problems


def test_tables_of_another_schema_and_of_partitions(world: PostgresSinkWorld) -> None:
    world.sql('CREATE SCHEMA "my marts"')
    world.sql(
        'CREATE TABLE "my marts".predictions (flight integer, day date, delay float8, '
        "PRIMARY KEY (flight, day)) PARTITION BY LIST (flight)"
    )
    world.sql('CREATE TABLE "my marts".one PARTITION OF "my marts".predictions FOR VALUES IN (1)')
    world.sql('CREATE TABLE "my marts".two PARTITION OF "my marts".predictions FOR VALUES IN (2)')
    world.sql("INSERT INTO \"my marts\".predictions VALUES (1, '2026-01-01', 10)")
    sink = register(world, table="my marts.predictions", keys=("flight", "day"))
    opened = database(world)
    opened.open_staged(sink, epoch=4)

    write(world, [{"flight": n, "day": "2026-01-01", "delay": n} for n in (1, 2)], epoch=4)

    assert opened.staged(sink, epoch=4).first_key == '[1, "2026-01-01"]'
    assert opened.merge(sink, epoch=4) == MergeCounts(merged=2, replaced=1, kept=0)
    opened.close(sink, epoch=4)
    assert opened.undo(sink, epoch=4) == UndoCounts(removed=1, restored=1, kept=0)
    assert world.sql('SELECT flight, delay FROM "my marts".predictions') == [(1, 10.0)]


def test_types_without_an_equality_are_compared_by_their_bytes(world: PostgresSinkWorld) -> None:
    world.sql(
        "CREATE TABLE t (id uuid PRIMARY KEY, j json, b jsonb, p point, n numeric, a integer[], "
        "total integer GENERATED ALWAYS AS (cardinality(a)) STORED)"
    )
    key = str(uuid4())
    world.sql(f"INSERT INTO t VALUES ('{key}', '{{}}', '[]', '(1,2)', 1.0, '{{1,2}}')")  # noqa: S608 - a UUID
    before = world.sql("SELECT t::text FROM t")
    sink, opened = register(world, table="t", keys=("id",)), database(world)
    row = {"id": key, "j": {"a": 1}, "b": [1, 2], "p": "(0,0)", "n": "2.50", "a": [7]}
    opened.open_staged(sink, epoch=4)
    write(world, [row], epoch=4)
    opened.open_staged(sink, epoch=5)
    write(world, [row], epoch=5)

    assert opened.merge(sink, epoch=4).replaced == 1
    assert world.sql("SELECT j::text, b::text, n::text, a, total FROM t") == [
        ('{"a": 1}', "[1, 2]", "2.50", [7], 1)
    ]
    opened.close(sink, epoch=4)
    assert opened.undo(sink, epoch=4) == UndoCounts(removed=0, restored=1, kept=0)
    assert world.sql("SELECT t::text FROM t") == before
    world.sql("UPDATE t SET n = 1.00")
    assert opened.merge(sink, epoch=5).kept == 1


def test_a_serial_of_an_append_only_table_is_given_out_by_the_table(
    world: PostgresSinkWorld,
) -> None:
    world.sql("CREATE TABLE log (id bigserial PRIMARY KEY, flight integer)")
    world.sql("INSERT INTO log (flight) VALUES (1)")
    sink, opened = register(world, table="log", keys=()), database(world)
    opened.open_staged(sink, epoch=4)
    write(world, [{"flight": 2}, {"flight": 3}], epoch=4)

    assert opened.merge(sink, epoch=4).merged == 2
    assert world.sql("SELECT flight FROM log ORDER BY id") == [(1,), (2,), (3,)]


def test_a_merge_whose_connection_is_cut_goes_on(world: PostgresSinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink = register(world)
    database(world).open_staged(sink, epoch=4)
    write(world, flights(f1=1.0, f2=2.0, f3=3.0), epoch=4)
    merged = iter(range(9))

    def cut_in_the_second_range(site: str) -> None:
        if site == "merge:merged" and next(merged) == 1:
            world.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'trilock server'"
            )

    with pytest.raises(PlaneUnavailableError):
        database(world, range_size=1, checkpoint=cut_in_the_second_range).merge(sink, epoch=4)

    assert world.sql("SELECT flight FROM predictions") == [(1,)]
    assert database(world).merge(sink, epoch=4) == MergeCounts(merged=3, replaced=0, kept=0)


def test_a_close_does_not_wait_for_a_merge(world: PostgresSinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink = register(world)
    database(world).open_staged(sink, epoch=4)
    write(world, flights(f1=1.0), epoch=4)
    merging, go_on = threading.Event(), threading.Event()

    def pause(site: str) -> None:
        if site == "merge:merged":
            merging.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        merge = pool.submit(database(world, checkpoint=pause).merge, sink, epoch=4)
        try:
            assert merging.wait(30)
            database(world).close(sink, epoch=4)
        finally:
            go_on.set()
        with pytest.raises(PlaneUnavailableError):
            merge.result()

    assert database(world).undo(sink, epoch=4) == UndoCounts(removed=0, restored=0, kept=0)
    assert world.sql("SELECT * FROM predictions") == []


def test_a_row_that_appears_in_the_middle_of_a_batch_is_not_lost(world: PostgresSinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink, opened = register(world), database(world)
    opened.open_direct(sink, epoch=4)
    with _uncommitted(world, "INSERT INTO predictions VALUES (1, 9.0, 'theirs')") as commit:
        seen: list[str] = []
        with (
            ThreadPoolExecutor(1) as pool,
            SinkWriter(world.url, sink=NAME, epoch=4, checkpoint=seen.append) as writer,
        ):
            writing = pool.submit(writer.write, flights(f1=1.0))
            _wait_until_somebody_waits(world)
            commit()
            writing.result()

    assert world.sql("SELECT * FROM predictions") == [(1, 1.0, "none")]
    assert seen.count("loaded") == 2
    opened.close(sink, epoch=4)
    opened.undo(sink, epoch=4)
    assert world.sql("SELECT * FROM predictions") == [(1, 9.0, "theirs")]


def test_a_row_that_appears_in_the_middle_of_a_merge_is_kept(world: PostgresSinkWorld) -> None:
    world.sql(PREDICTIONS)
    sink = register(world)
    database(world).open_staged(sink, epoch=4)
    write(world, flights(f1=1.0, f2=2.0), epoch=4)
    with (
        _uncommitted(world, "INSERT INTO predictions VALUES (1, 9.0, 'theirs')") as commit,
        ThreadPoolExecutor(1) as pool,
    ):
        merging = pool.submit(database(world).merge, sink, epoch=4)
        _wait_until_somebody_waits(world)
        commit()
        counts = merging.result()

    assert counts == MergeCounts(merged=1, replaced=0, kept=1)
    assert world.sql("SELECT flight, delay FROM predictions ORDER BY flight") == [
        (1, 9.0),
        (2, 2.0),
    ]


def test_a_server_that_is_not_there_is_unavailable_and_keeps_the_password() -> None:
    url = "postgresql://somebody:secret@127.0.0.1:1/warehouse"

    with pytest.raises(PlaneUnavailableError) as caught:
        sink_database(url).inspect(table="t", keys=())

    assert caught.value.plane == "sink database 'warehouse'"
    assert "secret" not in str(caught.value)


def test_the_url_of_sqlalchemy_will_do(world: PostgresSinkWorld) -> None:
    world.sql(PREDICTIONS)
    alike = PostgresSinkWorld(world.url.replace("postgresql://", "postgresql+psycopg://"))
    sink = register(alike)
    database(alike).open_direct(sink, epoch=4)

    assert write(alike, flights(f1=1.0), epoch=4) == 1


@contextmanager
def _uncommitted(world: PostgresSinkWorld, statement: str) -> Iterator[Callable[[], None]]:
    with psycopg.connect(world.url) as connection:
        connection.execute(statement.encode())
        yield connection.commit


def _wait_until_somebody_waits(world: PostgresSinkWorld) -> None:
    """Return once a session of the database waits for another's lock."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    while not world.sql(waiting):
        assert time.monotonic() < deadline
