"""Mirrors of real projects: whole or not at all, and nothing in them is frozen."""

from datetime import timedelta

import psycopg
import pytest

from tests.support.feast_repo import NOW, FeastWorld, PostgresWorld, SqliteWorld, feast_warnings
from tests.support.feast_statements import CrashError, watched
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import Window
from trilock.server.planes.feast.feature_store import FeastFeatureStore

pytestmark = [pytest.mark.slow, feast_warnings]

EARLY = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))
LATE = Window(start=EARLY.start, end=NOW)


def filled(world: FeastWorld, variant: str, project: str, window: Window) -> FeatureCapture:
    world.apply(variant)
    captured = world.store.capture_project(project="delay", service="delay")
    expected = world.store.definition(captured, project=project)
    world.store.deploy(captured, project=project, expected=expected)
    world.store.fill(captured, project=project, window=window, progress=lambda _: None)
    return captured


def temps(world: FeastWorld, project: str) -> list[object]:
    return [world.temp(project, origin=origin) for origin in ("EWR", "JFK", "LGA")]


def test_values_are_not_frozen_after_going_back(world: FeastWorld) -> None:
    """The truth is 99; the watermark of the bad release would keep its values for good."""
    good = filled(world, "celsius", "delay__s1", EARLY)
    world.observe("celsius", origin="EWR", temp=99.0, at=NOW - timedelta(hours=2))
    bad = filled(world, "scaled", "delay__s2", LATE)
    for live in ("live", "naive"):
        world.store.mirror(bad, source="delay__s2", project=live)

    world.store.mirror(good, source="delay__s1", project="live")
    world.store.deploy(
        good, project="naive", expected=world.store.definition(good, project="naive")
    )
    back = temps(world, "live")
    for live in ("live", "naive"):
        world.feast(live).materialize_incremental(NOW)

    assert back == [10.0, 20.0, 30.0]
    assert temps(world, "live") == [99.0, 20.0, 30.0]
    assert temps(world, "naive") == [99.0, 20.0, 30.0]


def test_a_mirror_serves_what_its_source_serves(world: FeastWorld) -> None:
    captured = filled(world, "scaled", "delay__s1", EARLY)

    world.store.mirror(captured, source="delay__s1", project="live")

    assert world.serve("live", origin="LGA") == world.serve("delay__s1", origin="LGA")
    assert world.serve("live", origin="LGA")["temp_distance"] == 6000.0


def test_mirroring_again_writes_nothing(world: FeastWorld) -> None:
    captured = filled(world, "celsius", "delay__s1", EARLY)
    world.store.mirror(captured, source="delay__s1", project="live")

    with watched(world.store) as changes:
        world.store.mirror(captured, source="delay__s1", project="live")

    # The comparison of the tables is one statement that finds nothing to do.
    assert [change.split()[0] for change in changes] == ["DELETE", "INSERT"]


def test_a_crash_leaves_the_mirror_as_it_was(world: FeastWorld) -> None:
    good = filled(world, "celsius", "delay__s1", EARLY)
    bad = filled(world, "scaled", "delay__s2", LATE)
    world.store.mirror(bad, source="delay__s2", project="live")
    before = world.store.views(good, project="live")
    sites = 0
    while True:
        with watched(world.store, crash_at=sites):
            try:
                world.store.mirror(good, source="delay__s1", project="live")
                break
            except CrashError:
                sites += 1
        assert world.store.definition(bad, project="live") == bad.definition_digest
        assert world.store.views(good, project="live") == before
        assert temps(world, "live") == [1000.0, 2000.0, 3000.0]

    assert sites >= 6
    assert world.store.definition(good, project="live") == good.definition_digest
    assert temps(world, "live") == [10.0, 20.0, 30.0]


def test_with_two_databases_the_next_run_finishes_what_a_crash_cut_short(
    sqlite_world: SqliteWorld,
) -> None:
    world = sqlite_world
    good = filled(world, "celsius", "delay__s1", EARLY)
    bad = filled(world, "scaled", "delay__s2", LATE)
    world.store.mirror(bad, source="delay__s2", project="live")

    with watched(world.store, crash_at=3), pytest.raises(CrashError):
        world.store.mirror(good, source="delay__s1", project="live")
    # Values first: no watermark tells of values that are not there.
    cut = (temps(world, "live"), world.store.definition(bad, project="live"))
    world.store.mirror(good, source="delay__s1", project="live")

    assert cut == ([10.0, 20.0, 30.0], bad.definition_digest)
    assert world.store.definition(good, project="live") == good.definition_digest
    assert [view.fed_until for view in world.store.views(good, project="live")] == [EARLY.end]


def test_mirroring_does_not_wait_for_those_who_feed_the_source(
    postgres_world: PostgresWorld,
) -> None:
    world = postgres_world
    captured = filled(world, "celsius", "delay__s1", EARLY)

    with psycopg.connect(world.url.render_as_string()) as feeder:
        feeder.execute("SELECT 1 FROM feature_views WHERE project_id = 'delay__s1' FOR UPDATE")
        feeder.execute("UPDATE features.delay__s1_weather SET created_ts = now()")
        world.store.mirror(captured, source="delay__s1", project="live")

    assert temps(world, "live") == [10.0, 20.0, 30.0]


def test_an_online_store_without_tables_is_not_mirrored(sqlite_world: SqliteWorld) -> None:
    captured = filled(sqlite_world, "celsius", "delay__s1", EARLY)
    sqlite_world.configure(online_store=None)
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0)

    with pytest.raises(PreconditionError, match="cannot copy tables"):
        store.mirror(captured, source="delay__s1", project="live")
    states = store.views(captured, project="delay__s1")
    store.close()

    assert [(state.rows, state.fed_until) for state in states] == [(None, EARLY.end)]
