"""What others do to a registry: a clear line, and nothing is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import event

from tests.support.feast_repo import NOW, FeastWorld, PostgresWorld, feast_warnings
from tests.support.feast_statements import engines
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError, PreconditionError
from trilock.server.domain.ports import Window
from trilock.server.planes.feast.registry_tables import OBJECTS

pytestmark = [pytest.mark.slow, feast_warnings]

DAY = Window(start=NOW - timedelta(days=1), end=NOW)


def capture(world: FeastWorld, variant: str = "celsius") -> FeatureCapture:
    world.apply(variant)
    return world.store.capture_project(project="delay", service="delay")


@contextmanager
def gone_after(world: PostgresWorld, changes: int) -> Iterator[None]:
    """End every session of trilock's when it has made so many changes."""
    seen: list[str] = []

    def end(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "SET", "SHOW", "BEGIN")):
            return
        seen.append(statement)
        if len(seen) == changes:
            with psycopg.connect(world.url.render_as_string(), autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'trilock' AND datname = current_database()"
                )

    for engine in engines(world.store):
        event.listen(engine, "before_cursor_execute", end)
    try:
        yield
    finally:
        for engine in engines(world.store):
            event.remove(engine, "before_cursor_execute", end)


def test_a_view_that_a_service_no_longer_finds_is_named(world: FeastWorld) -> None:
    capture(world)
    world.feast("delay").registry.delete_feature_view("derived", "delay")

    with pytest.raises(NotFoundError, match=r"feature view 'derived'.*'delay' needs it"):
        world.store.capture_project(project="delay", service="delay")


def test_what_a_newer_feast_wrote_is_kept_as_it_is_and_said(world: FeastWorld) -> None:
    capture(world)
    with world.store._stores.registry.writing("delay") as session:
        key = ("feature_view", "weather")
        newer = session.read("delay")[key] + bytes([0xBA, 0x3E, 0x03]) + b"new"  # field 999, a text
        table = OBJECTS["feature_view"]
        session.connection.execute(  # type: ignore[attr-defined]
            table.table.update()
            .where(table.name == "weather", table.project == "delay")
            .values(feature_view_proto=newer)
        )

    later = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(later, project="delay__s1", expected=None)

    assert [raw.name for raw in world.store.describe(later) if raw.unknown_fields] == ["weather"]
    with world.store._stores.registry.reading() as session:
        assert b"\x03new" in session.read("delay__s1")["feature_view", "weather"]


def test_a_registry_with_columns_of_a_newer_feast_is_refused_and_unchanged(
    postgres_world: PostgresWorld,
) -> None:
    world = postgres_world
    captured = capture(world)
    with psycopg.connect(world.url.render_as_string(), autocommit=True) as connection:
        connection.execute("ALTER TABLE feature_services ADD COLUMN tenant text")
        connection.execute("UPDATE feature_services SET tenant = ''")
        connection.execute("ALTER TABLE feature_services ALTER COLUMN tenant SET NOT NULL")

    with pytest.raises(PreconditionError, match='null value in column "tenant"') as caught:
        world.store.deploy(captured, project="delay__s1", expected=None)

    assert "\n" not in str(caught.value)
    assert world.store.definition(captured, project="delay__s1") is None


def test_a_database_that_goes_away_half_way_leaves_nothing_of_a_deploy(
    postgres_world: PostgresWorld,
) -> None:
    world = postgres_world
    captured = capture(world)

    with gone_after(world, 3), pytest.raises(PlaneUnavailableError) as caught:
        world.store.deploy(captured, project="delay__s1", expected=None)

    assert "\n" not in str(caught.value)
    assert world.store.definition(captured, project="delay__s1") is None
    world.store.deploy(captured, project="delay__s1", expected=None)


def test_a_database_that_goes_away_half_way_leaves_nothing_of_a_swap(
    postgres_world: PostgresWorld,
) -> None:
    world = postgres_world
    captured = capture(world)
    world.store.deploy(captured, project="delay__s1", expected=None)
    world.store.fill(captured, project="delay__s1", window=DAY, progress=lambda _: None)

    with gone_after(world, 3), pytest.raises(PlaneUnavailableError):
        world.store.swap(captured, source="delay__s1", project="live", leaves=None)

    assert world.store.in_place(captured, project="live") is None
    assert [view.rows for view in world.store.views(captured, project="delay__s1")] == [3]
    world.store.swap(captured, source="delay__s1", project="live", leaves=None)
    assert world.temp("live", origin="JFK") == 20.0
