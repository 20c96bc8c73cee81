"""What is special about a live view in PostgreSQL: its lock, and who may read it."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.support.sink_world import (
    PREDICTIONS,
    PostgresSinkWorld,
    database,
    flights,
    register,
    write,
)
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.domain.sink import Sink
from trilock.server.sinks import sql_sink_database

pytestmark = pytest.mark.slow


@pytest.fixture
def world(postgres_database: str) -> PostgresSinkWorld:
    made = PostgresSinkWorld(postgres_database)
    made.sql(PREDICTIONS)
    return made


@pytest.fixture
def role(world: PostgresSinkWorld) -> Iterator[str]:
    name = f"reader_{uuid4().hex}"
    world.sql(f"CREATE ROLE {name}")
    yield name
    world.sql(f"DROP OWNED BY {name}")
    world.sql(f"DROP ROLE {name}")


def _viewed(world: PostgresSinkWorld) -> Sink:
    sink = replace(register(world), live_view=True)
    database(world).set_live_view(sink)
    return sink


def test_a_reader_that_takes_long_holds_up_a_promotion_and_no_other_reader(
    world: PostgresSinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_sink_database, "_VIEW_ATTEMPTS", 2)
    sink, opened = _viewed(world), database(world)

    with psycopg.connect(world.url) as reader:
        reader.execute("SELECT * FROM predictions_live")
        with pytest.raises(PlaneUnavailableError, match="lock timeout"):
            opened.open_staged(sink, epoch=4)
        assert opened.state(sink, epoch=4) is None
        assert world.sql("SELECT * FROM predictions_live") == []
        # Nothing of this is in the way of a rollback.
        opened.open_direct(sink, epoch=5)
        opened.close(sink, epoch=5)
    opened.open_staged(sink, epoch=4)

    assert write(world, flights(f1=1.0), epoch=4) == 1


def test_whoever_may_read_the_table_may_read_the_view(world: PostgresSinkWorld, role: str) -> None:
    world.sql(f"GRANT SELECT ON predictions TO {role}")
    sink, opened = _viewed(world), database(world)
    opened.open_staged(sink, epoch=4)
    opened.show(sink, epoch=4)
    write(world, flights(f1=1.0), epoch=4)

    with psycopg.connect(world.url) as reader:
        reader.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        seen = reader.execute("SELECT flight FROM predictions_live").fetchall()

    assert seen == [(1,)]
