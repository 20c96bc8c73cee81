"""Real projects in place: whole or not at all, never waiting long, and nothing is frozen."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.feast_repo import (
    NOW,
    FeastWorld,
    FileWorld,
    PostgresWorld,
    SqliteWorld,
    feast_warnings,
)
from tests.support.feast_statements import CrashError, watched
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PlaneUnavailableError, PreconditionError
from trilock.server.domain.ports import Window
from trilock.server.planes.feast.feature_store import FeastFeatureStore

pytestmark = [pytest.mark.slow, feast_warnings]

EARLY = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))
LATE = Window(start=EARLY.start, end=NOW)
LATER = NOW + timedelta(hours=1)


def staged(world: FeastWorld, variant: str, project: str, window: Window) -> FeatureCapture:
    world.apply(variant)
    captured = world.store.capture_project(project="delay", service="delay")
    expected = world.store.definition(captured, project=project)
    world.store.deploy(captured, project=project, expected=expected)
    world.store.fill(captured, project=project, window=window, progress=lambda _: None)
    return captured


def temps(world: FeastWorld, project: str) -> list[object]:
    return [world.temp(project, origin=origin) for origin in ("EWR", "JFK", "LGA")]


def bad_release(world: FeastWorld) -> tuple[FeatureCapture, FeatureCapture]:
    """Have celsius swapped in, then scaled, which was fed for longer."""
    good = staged(world, "celsius", "delay__s1", EARLY)
    world.store.swap(good, source="delay__s1", project="live", leaves=None)
    world.observe("celsius", origin="EWR", temp=99.0, at=NOW - timedelta(hours=2))
    bad = staged(world, "scaled", "delay__s2", LATE)
    world.store.swap(bad, source="delay__s2", project="live", leaves=good)
    return good, bad


def test_values_are_not_frozen_after_going_back_as_they_are_with_feast(world: FeastWorld) -> None:
    """The truth is 99. Putting back the definition alone never serves it, ours does."""
    good, bad = bad_release(world)
    world.apply("celsius", project="naive")
    world.feast("naive").materialize(EARLY.start, EARLY.end)
    world.apply("scaled", project="naive")
    world.feast("naive").materialize_incremental(NOW)

    world.apply("celsius", project="naive")
    world.store.swap(good, source="delay__s1", project="live", leaves=bad)
    for project in ("naive", "live"):
        world.feast(project).materialize_incremental(LATER)

    assert temps(world, "live") == [99.0, 20.0, 30.0]
    # The values of the bad release, for good: its watermark says that they are fed.
    assert temps(world, "naive") != [99.0, 20.0, 30.0]


def test_a_job_that_ends_after_the_switch_is_found_by_the_mark_it_leaves(
    world: FeastWorld,
) -> None:
    """A SQL registry never tells that a job runs: Feast drops a change of state alone."""
    good, bad = bad_release(world)
    feast = world.feast("live")
    view = feast.get_feature_view("weather")
    world.store.swap(good, source="delay__s1", project="live", leaves=bad)
    world.store.vouch(good, project="live")
    vouched = world.store.in_place(good, project="live")

    feast.registry.apply_materialization(view, "live", LATE.start, LATER)
    ended = world.store.in_place(good, project="live")
    false_mark = world.store.views(good, project="live")
    world.store.distrust(good, project="live")
    true_mark = world.store.views(good, project="live")

    assert vouched is not None
    assert ended is not None
    assert (vouched.verified, ended.verified) == (True, False)
    assert [state.fed_until for state in false_mark] == [LATER]
    assert [state.fed_until for state in true_mark] == [EARLY.end]


def test_a_file_registry_tells_that_a_job_runs_and_that_it_has_ended(tmp_path: Path) -> None:
    world = FileWorld(tmp_path / "feast")
    good, bad = bad_release(world)
    feast = world.feast("live")
    view = feast.get_feature_view("weather")
    view.state = type(view.state).MATERIALIZING
    feast.registry.apply_feature_view(view, "live")

    world.store.swap(good, source="delay__s1", project="live", leaves=bad)
    running = world.store.in_place(good, project="live")
    world.feast("live").registry.apply_materialization(view, "live", LATE.start, LATER)
    ended = world.store.in_place(good, project="live")
    world.close()

    assert running is not None
    assert ended is not None
    assert (running.busy, running.waiting, ended.waiting) == (("weather",), True, False)


def test_a_crash_leaves_everything_as_it_was(world: FeastWorld) -> None:
    good, bad = bad_release(world)
    before = [
        world.store.views(bad, project="live"),
        world.store.views(good, project="delay__s1"),
    ]
    sites = 0
    while True:
        with watched(world.store, crash_at=sites):
            try:
                world.store.swap(good, source="delay__s1", project="live", leaves=bad)
                break
            except CrashError:
                sites += 1
        assert world.store.definition(bad, project="live") == bad.definition_digest
        assert [
            world.store.views(bad, project="live"),
            world.store.views(good, project="delay__s1"),
        ] == before

    assert sites >= 8
    assert temps(world, "live") == [10.0, 20.0, 30.0]


def test_with_two_databases_the_next_run_finishes_what_a_crash_cut_short(
    sqlite_world: SqliteWorld,
) -> None:
    world = sqlite_world
    good, bad = bad_release(world)
    sites = 0
    while True:
        with watched(world.store, crash_at=sites):
            try:
                world.store.swap(good, source="delay__s1", project="live", leaves=bad)
                break
            except CrashError:
                sites += 1
        state = world.store.in_place(bad, project="live")
        assert state is not None
        if state.holds == "delay__s1":
            assert not state.settled

    assert sites >= 8
    assert temps(world, "live") == [10.0, 20.0, 30.0]
    assert [view.fed_until for view in world.store.views(good, project="live")] == [EARLY.end]
    assert [view.fed_until for view in world.store.views(bad, project="delay__s2")] == [NOW]


def test_a_lock_is_not_waited_for_while_readers_queue(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    good, bad = bad_release(world)
    url = world.url.render_as_string()

    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as other:
        reader.execute("SELECT 1 FROM features.live_weather")
        other.execute("SET statement_timeout = '1s'")
        with pytest.raises(PlaneUnavailableError, match="lock timeout"):
            world.store.swap(good, source="delay__s1", project="live", leaves=bad)
        rows = other.execute("SELECT count(*) FROM features.live_weather").fetchone()
        assert world.store.definition(bad, project="live") == bad.definition_digest
        reader.rollback()
        world.store.swap(good, source="delay__s1", project="live", leaves=bad)

    assert rows == (6,)
    assert temps(world, "live") == [10.0, 20.0, 30.0]


def test_a_table_made_anew_under_the_old_name_has_its_index(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    bad_release(world)
    staged(world, "scaled", "delay__s2", LATE)

    with psycopg.connect(world.url.render_as_string()) as connection:
        found = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'delay__s2_weather' ORDER BY 1"
        ).fetchall()

    assert found == [("delay__s2_weather_ek",), ("delay__s2_weather_pkey",)]


def test_an_online_store_without_tables_is_refused(sqlite_world: SqliteWorld) -> None:
    captured = staged(sqlite_world, "celsius", "delay__s1", EARLY)
    sqlite_world.configure(online_store=None)
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0)

    with pytest.raises(PreconditionError, match="no tables to rename"):
        store.swap(captured, source="delay__s1", project="live", leaves=None)
    store.close()
