"""Deploying to real registries: all or nothing, once, and as Feast would have it."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, event

from tests.support.feast_repo import NOW, FeastWorld, PostgresWorld, SqliteWorld, feast_warnings
from tests.support.feast_statements import CrashError, engines, watched
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import (
    ForeignEditError,
    NotFoundError,
    PlaneUnavailableError,
    PreconditionError,
)
from trilock.server.domain.ports import Window
from trilock.server.planes.feast import database, protos
from trilock.server.planes.feast.feature_store import FeastFeatureStore

pytestmark = [pytest.mark.slow, feast_warnings]

WEATHER = ("feature_view", "weather")
DAY = Window(start=NOW - timedelta(days=1), end=NOW)


def capture(world: FeastWorld, variant: str) -> FeatureCapture:
    world.apply(variant)
    return world.store.capture_project(project="delay", service="delay")


def deploy(world: FeastWorld, captured: FeatureCapture, project: str) -> None:
    expected = world.store.definition(captured, project=project)
    world.store.deploy(captured, project=project, expected=expected)


def test_feast_serves_every_feature_of_a_deployed_project(world: FeastWorld) -> None:
    captured = capture(world, "scaled")
    deploy(world, captured, "delay__s1")

    world.store.fill(captured, project="delay__s1", window=DAY, progress=lambda _: None)

    assert world.serve("delay__s1", origin="JFK") == {
        "origin": "JFK",
        "temp": 2000.0,
        "humidity": 2000.0,
        "temp_distance": 4000.0,
    }


def test_a_crash_before_any_change_leaves_everything_as_it_was(world: FeastWorld) -> None:
    celsius = capture(world, "celsius")
    deploy(world, celsius, "delay__s1")
    scaled = capture(world, "scaled")
    before = world.store.definition(scaled, project="delay__s1")
    sites = 0
    while True:
        with watched(world.store, crash_at=sites):
            try:
                world.store.deploy(scaled, project="delay__s1", expected=before)
                break
            except CrashError:
                sites += 1
        assert world.store.definition(scaled, project="delay__s1") == before
        assert world.feast("delay__s1").get_feature_view("weather").projection.features == (
            world.feast("delay__s1")
            .get_feature_service("delay")
            .feature_view_projections[0]
            .features
        )

    assert sites >= 6
    assert world.store.definition(scaled, project="delay__s1") == scaled.definition_digest


def test_a_crash_while_a_project_is_made_leaves_no_project(world: FeastWorld) -> None:
    captured = capture(world, "celsius")

    for site in (0, 3, 9, 12):
        with watched(world.store, crash_at=site), pytest.raises(CrashError):
            world.store.deploy(captured, project="delay__s1", expected=None)

        with pytest.raises(NotFoundError, match=r"there is: delay$"):
            world.store.capture_project(project="delay__s1", service="delay")


def test_deploying_again_writes_nothing(world: FeastWorld) -> None:
    captured = capture(world, "celsius")
    with watched(world.store) as first:
        deploy(world, captured, "delay__s1")
    with watched(world.store) as second:
        deploy(world, captured, "delay__s1")

    assert len(first) > 6
    assert second == []


def test_only_what_differs_is_written(world: FeastWorld) -> None:
    deploy(world, capture(world, "celsius"), "delay__s1")
    scaled = capture(world, "scaled")

    with watched(world.store) as changes:
        deploy(world, scaled, "delay__s1")

    tables = sorted(change.split()[1] for change in changes if change.startswith("UPDATE"))
    assert tables == [
        "data_sources",
        "feast_metadata",
        "feature_services",
        "feature_views",
        "on_demand_feature_views",
    ]


def test_feasts_history_tells_what_was_deployed(world: FeastWorld) -> None:
    celsius, scaled = capture(world, "celsius"), capture(world, "scaled")
    numbers = []
    for captured in (celsius, scaled, celsius):
        deploy(world, captured, "delay__s1")
        with world.store._stores.registry.reading() as session:
            row = session.read("delay__s1", only=[WEATHER])[WEATHER]
        numbers.append(protos.parse("feature_view", row).meta.current_version_number)

    def versions() -> list[str]:
        listed = world.feast("delay__s1").list_feature_view_versions("weather")
        return [version["version"] for version in listed]

    def features(number: int) -> list[str]:
        registry = world.feast("delay__s1").registry
        view = registry.get_feature_view_by_version("weather", "delay__s1", number)
        return [field.name for field in view.features]

    assert numbers == [0, 1, 0]
    assert (versions(), features(0), features(1)) == (["v0", "v1"], ["temp"], ["temp", "humidity"])

    # Feast agrees: the same definition is nothing new to it, another one is.
    world.apply("celsius", project="delay__s1")
    assert versions() == ["v0", "v1"]
    world.apply("scaled", project="delay__s1")
    assert versions() == ["v0", "v1", "v2"]


def test_feast_finds_a_deployed_project_complete(world: FeastWorld) -> None:
    captured = capture(world, "celsius")
    deploy(world, captured, "delay__s1")

    store = world.feast("delay__s1")

    assert sorted(project.name for project in store.list_projects()) == ["delay", "delay__s1"]
    assert [view.name for view in store.list_all_feature_views()] == ["weather", "derived"]
    assert store.registry._get_last_updated_metadata("delay__s1") is not None


def test_a_registry_that_nobody_made_is_made(sqlite_world: SqliteWorld) -> None:
    captured = capture(sqlite_world, "celsius")
    other = sqlite_world.file.with_name("other.db")
    sqlite_world.configure(registry={"registry_type": "sql", "path": f"sqlite:///{other}"})
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0)

    with pytest.raises(NotFoundError, match="there is: none"):
        store.capture_project(project="delay", service="delay")
    assert not other.exists()
    store.deploy(captured, project="delay__s1", expected=None)
    store.close()

    assert sqlite_world.feast("delay__s1").get_feature_service("delay").name == "delay"


def test_of_two_concurrent_deploys_one_wins_whole(world: FeastWorld) -> None:
    captures = (capture(world, "celsius"), capture(world, "scaled"))

    def race(captured: FeatureCapture, project: str, gate: threading.Barrier) -> bool:
        gate.wait(timeout=30)
        try:
            world.store.deploy(captured, project=project, expected=None)
        except ForeignEditError:
            return False
        return True

    for number in range(5):
        project, gate = f"delay__s{number}", threading.Barrier(2)
        with ThreadPoolExecutor(max_workers=2) as pool:
            runs = [pool.submit(race, captured, project, gate) for captured in captures]
        won = [run.result(timeout=60) for run in runs]

        assert sorted(won) == [False, True]
        winner = captures[won.index(True)]
        assert world.store.definition(winner, project=project) == winner.definition_digest


def test_a_feast_apply_in_between_is_seen(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    captured = capture(world, "celsius")
    applied = False

    def apply_first(_c: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal applied
        # Before anything of ours is locked: both are in one thread.
        if statement.startswith("INSERT INTO projects") and not applied:
            applied = True
            world.apply("celsius", project="delay__s1")

    (engine,) = engines(world.store)
    event.listen(engine, "before_cursor_execute", apply_first)

    world.store.deploy(captured, project="delay__s1", expected=None)

    assert applied
    assert world.store.definition(captured, project="delay__s1") == captured.definition_digest


def test_a_name_that_a_view_of_another_kind_has_is_refused(world: FeastWorld) -> None:
    captured = capture(world, "celsius")
    deploy(world, captured, "delay__s1")
    feast = world.feast("delay__s1")
    feast.delete_feature_service("delay")
    feast.registry.delete_feature_view("derived", "delay__s1")
    feast = world.feast("delay__s1")
    weather = feast.get_feature_view("weather")
    weather.name = "derived"
    feast.registry.apply_feature_view(weather, "delay__s1")

    with pytest.raises(PreconditionError, match=r"has feature view 'derived'.* another kind"):
        deploy(world, captured, "delay__s1")


def test_a_user_who_may_only_read_changes_nothing(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    captured = capture(world, "celsius")
    role = sql.Identifier(f"reader_{world.url.database}")
    with psycopg.connect(world.url.render_as_string(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role)
        )
    url = world.url.set(username=f"reader_{world.url.database}", drivername="postgresql+psycopg")
    world.configure(registry={"registry_type": "sql", "path": url.render_as_string()})
    store = FeastFeatureStore(world.yaml, worker_timeout=1.0)

    with pytest.raises(PreconditionError, match="the Feast registry refuses: permission denied"):
        store.deploy(captured, project="delay__s1", expected=None)
    found = store.definition(captured, project="delay__s1")
    store.close()

    assert found is None
    with psycopg.connect(world.url.render_as_string(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(role, role))


def test_a_locked_row_is_not_waited_for(postgres_world: PostgresWorld) -> None:
    world = postgres_world
    deploy(world, capture(world, "celsius"), "delay__s1")
    scaled = capture(world, "scaled")

    with psycopg.connect(world.url.render_as_string()) as connection:
        connection.execute("SELECT 1 FROM feature_views FOR UPDATE")
        with pytest.raises(PlaneUnavailableError, match="lock timeout"):
            deploy(world, scaled, "delay__s1")


def test_a_server_that_stopped_is_not_waited_for(
    postgres_world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = postgres_world
    captured = capture(world, "celsius")
    monkeypatch.setattr(database, "_GRACE_SECONDS", -9.5)
    stopped: list[int] = []

    def stop(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO entities"):
            pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)

    (engine,) = engines(world.store)
    event.listen(engine, "before_cursor_execute", stop)
    try:
        with pytest.raises(PlaneUnavailableError, match=r"no answer within 0\.5 s"):
            world.store.deploy(captured, project="delay__s1", expected=None)
    finally:
        event.remove(engine, "before_cursor_execute", stop)
        os.kill(stopped[0], signal.SIGCONT)

    monkeypatch.undo()
    assert world.store.definition(captured, project="delay__s1") is None


def test_a_database_that_is_not_there_is_one_line_without_the_password(
    sqlite_world: SqliteWorld,
) -> None:
    captured = capture(sqlite_world, "celsius")
    path = "postgresql+psycopg://u:s3cret@127.0.0.1:1/feast"
    sqlite_world.configure(registry={"registry_type": "sql", "path": path})
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0)

    with pytest.raises(PlaneUnavailableError, match=r"Feast registry does not answer") as caught:
        store.deploy(captured, project="delay__s1", expected=None)

    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_unavailable(sqlite_world: SqliteWorld) -> None:
    captured = capture(sqlite_world, "celsius")
    path = f"sqlite:///{sqlite_world.folder}/no/such/registry.db"
    sqlite_world.configure(registry={"registry_type": "sql", "path": path})
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0)

    with pytest.raises(PlaneUnavailableError, match="the Feast registry does not answer"):
        store.deploy(captured, project="delay__s1", expected=None)
