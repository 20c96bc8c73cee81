"""On a frozen project `feast apply` fails and says why; everything else goes on."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.support.feast_repo import (
    NOW,
    FeastWorld,
    PostgresWorld,
    SqliteWorld,
    feast_warnings,
)
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import Window

pytestmark = [pytest.mark.slow, feast_warnings]

OWNER = "models/delay/aliases/production"
PROJECT = "delay__s1"
WHY = "models/delay/releases/3 of models/delay/bundles/1, by ann (INC-7)"
WINDOW = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))


def deployed(world: FeastWorld) -> FeatureCapture:
    world.apply("celsius")
    captured = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(captured, project=PROJECT, expected=None)
    world.store.fill(captured, project=PROJECT, window=WINDOW, progress=lambda _: None)
    return captured


def triggers(world: PostgresWorld) -> int:
    with psycopg.connect(world.url.set(drivername="postgresql").render_as_string()) as connection:
        query = "SELECT count(*) FROM pg_trigger WHERE tgname = 'trilock_freeze'"
        (count,) = connection.execute(query).fetchone() or (0,)
        return int(count)


def test_apply_fails_with_why_and_changes_nothing(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    captured = deployed(world)

    world.store.freeze(owner=OWNER, projects={PROJECT: WHY})
    with pytest.raises(Exception, match=rf"{PROJECT} is kept by trilock: .* by ann \(INC-7\)"):
        world.apply("scaled", project=PROJECT)

    assert world.store.frozen(owner=OWNER) == {PROJECT: WHY}
    found = world.store.definition(captured, project=PROJECT)
    assert found == captured.definition_digest


def test_materializing_and_applying_the_same_again_go_through(
    postgres_world: PostgresWorld,
) -> None:
    world = postgres_world
    captured = deployed(world)
    world.apply("celsius", project=PROJECT)
    world.store.freeze(owner=OWNER, projects={PROJECT: WHY})
    world.observe("celsius", origin="EWR", temp=99.0, at=NOW - timedelta(hours=2))

    world.feast(PROJECT).materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    full = world.temp(PROJECT, origin="EWR")
    world.observe("celsius", origin="EWR", temp=77.0, at=NOW - timedelta(minutes=30))
    world.feast(PROJECT).materialize_incremental(NOW)
    world.apply("celsius", project=PROJECT)

    assert (full, world.temp(PROJECT, origin="EWR")) == (99.0, 77.0)
    (weather,) = world.store.views(captured, project=PROJECT)
    assert weather.fed_until is not None
    assert weather.fed_until > NOW - timedelta(hours=1)


def test_other_projects_and_trilock_itself_are_not_hindered(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    captured = deployed(world)
    world.store.freeze(owner=OWNER, projects={PROJECT: WHY, "live": WHY})

    world.apply("scaled")
    world.store.mirror(captured, source=PROJECT, project="live")
    world.store.fill(captured, project=PROJECT, window=WINDOW, progress=lambda _: None)

    assert world.temp("live", origin="JFK") == 20.0


def test_it_ends_project_by_project_and_then_nothing_is_left(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    captured = deployed(world)
    world.store.deploy(captured, project="delay__s2", expected=None)
    other = "models/delay/aliases/canary"
    world.store.freeze(owner=OWNER, projects={PROJECT: WHY})
    world.store.freeze(owner=other, projects={"delay__s2": "canary"})

    world.store.freeze(owner=OWNER, projects={})
    world.apply("scaled", project=PROJECT)
    with pytest.raises(Exception, match="delay__s2 is kept by trilock: canary"):
        world.apply("scaled", project="delay__s2")
    installed = triggers(world)
    world.store.freeze(owner=other, projects={})

    assert (installed, triggers(world)) == (7, 0)
    assert world.store.frozen(owner=OWNER) == {}


def test_a_user_without_the_right_is_told_which(
    postgres_world: PostgresWorld, tmp_path: Path
) -> None:
    world = postgres_world
    deployed(world)
    with psycopg.connect(
        world.url.set(drivername="postgresql").render_as_string(), autocommit=True
    ) as connection:
        name = sql.Identifier(f"reader_{world.url.database}"[:60])
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        connection.execute(
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name)
        )
        reader = PostgresWorld(
            tmp_path / "reader", url=world.url.set(username=name.as_string(connection).strip('"'))
        )
        with pytest.raises(PreconditionError, match=r"the registry's user lacks .*TRIGGER on enti"):
            reader.store.freeze(owner=OWNER, projects={PROJECT: WHY})
        reader.close()
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))

    assert triggers(world) == 0


def test_only_postgres_can(sqlite_world: SqliteWorld) -> None:
    with pytest.raises(PreconditionError, match="only the projects of a registry on PostgreSQL"):
        sqlite_world.store.freeze(owner=OWNER, projects={PROJECT: WHY})
