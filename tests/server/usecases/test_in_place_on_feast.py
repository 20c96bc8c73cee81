"""In place, from promotion to rollback, on real Feast: SQLite in one and two files, PostgreSQL.

And the three ways to go back, with the values that a naive one freezes: the
truth is 99, and was never 10.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.support.feast_repo import (
    NOW,
    FeastWorld,
    PostgresWorld,
    SqliteWorld,
    feast_warnings,
)
from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, INPUTS, OUTPUTS, WIDER_INPUTS, World
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import OperationState
from trilock.server.domain.ports import Planes, Window
from trilock.server.planes.pipeline.git_pipeline import GitPipeline
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import live_bundle
from trilock.server.usecases.capture_feature_schema import capture_feature_schema
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.feature_projects import materialize_features
from trilock.server.usecases.record_bundle import record_bundle
from trilock.server.watching.feature_watcher import FeatureWatcher

pytestmark = [pytest.mark.slow, feast_warnings]

WINDOW = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))


class FeastTrilock(World):
    """A whole trilock whose features are real Feast's."""

    def __init__(self, folder: Path, feast: FeastWorld, *, in_place: bool) -> None:
        self.feast = feast
        self.at_switch: Callable[[], object] = lambda: None
        super().__init__(folder, at=self.come)
        self.in_place = in_place

    def come(self, site: str) -> None:
        if site == "switch_live:next":
            self.at_switch()

    def planes(self, model: str) -> Planes:
        del model
        return Planes(
            registry=self.registry,
            registered_model="delay",
            features=self.feast.store,
            base_project="delay",
            mirror_project="live",
            pipeline=GitPipeline(self.feast.repository),
            repository=self.feast.repository,
            repository_folder="features",
            in_place=self.in_place,
        )

    def in_place_project(self, alias: Any) -> str | None:
        return "live" if self.in_place and alias == ALIAS else None

    def train(self, *, inputs: str | None = INPUTS, variant: str = "celsius") -> tuple[str, str]:
        self.feast.apply(variant)
        revision = self.feast.commit(variant)
        return self.registry.register("delay", inputs=inputs, outputs=OUTPUTS), revision

    def record_trained(self, version: str, revision: str) -> Bundle:
        schema, _ = capture_feature_schema(
            self.runtime, model=MODEL, service="delay", revision=None, principal=ANN
        )
        recorded = record_bundle(
            self.runtime,
            model=MODEL,
            model_version=version,
            feature_schema=schema.ref,
            service=None,
            pipeline_revision=revision,
            serving_config={},
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert recorded.bundle is not None
        return recorded.bundle

    def bundle(self, number: int) -> Bundle:
        with self.database.read() as session:
            return get_bundle(session, BundleRef(MODEL, number))

    def go(self, variant: str) -> None:
        """Promote and finalize a bundle of that variant."""
        self.promote(self.record(variant=variant), window=WINDOW)
        self.settle()
        self.finalize()
        self.settle()

    def read(self, *, origin: str = "EWR") -> object:
        """Return what serving reads of `temp`, from the project it is told."""
        with self.database.read() as session:
            project = live_bundle(session, self.live()).live.feature_project
        return self.feast.temp(project, origin=origin)


@pytest.fixture(params=["one file", "two files", "postgres"])
def feast(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeastWorld]:
    folder = tmp_path / "feast"
    made: FeastWorld
    if request.param == "postgres":
        url = make_url(request.getfixturevalue("postgres_database"))
        made = PostgresWorld(folder, url=url)
    else:
        online = "registry.db" if request.param == "one file" else "online.db"
        made = SqliteWorld(folder, online=online)
    yield made
    made.close()


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "side by side"])
def test_a_rollback_brings_back_values_that_are_not_frozen(
    tmp_path: Path, feast: FeastWorld, *, in_place: bool
) -> None:
    w = FeastTrilock(tmp_path, feast, in_place=in_place)
    w.go("celsius")
    good = w.read()
    w.go("scaled")
    bad = w.read()
    feast.observe("celsius", origin="EWR", temp=99.0, at=NOW - timedelta(hours=2))

    rollback = w.roll_back().operation
    assert rollback is not None
    ended = w.settled(rollback)
    materialize_features(
        w.runtime,
        model=None,
        window=None,
        progress=lambda _project, _line: None,
        done=lambda _project, _views: None,
    )
    w.settle()

    assert (good, bad) == (10.0, 1000.0)
    assert ended.state is OperationState.SUCCEEDED
    assert w.read() == 99.0
    assert feast.temp("live", origin="EWR") == 99.0  # the copy, side by side
    assert all(plane.converged for plane in describe_alias(w.runtime, ALIAS).planes)
    w.database.close()


@pytest.mark.parametrize("feast", ["two files"], indirect=True)
def test_a_new_feature_is_served_before_the_model_that_reads_it(
    tmp_path: Path, feast: FeastWorld
) -> None:
    w = FeastTrilock(tmp_path, feast, in_place=True)
    w.go("celsius")
    operation = w.promote(
        w.record(variant="wider", inputs=WIDER_INPUTS), window=WINDOW, accept_window=""
    )
    old = w.live().bundle
    before: list[object] = []
    cancelled: list[object] = []

    def look() -> None:
        before.append((w.live().bundle == old, feast.serve("live", origin="EWR")))
        if not cancelled:
            cancelled.append(w.runtime.journal.cancel(operation.id).id)

    w.at_switch = look
    turned_back = w.settled(operation)
    back = feast.serve("live", origin="EWR")
    again = w.promote(w.bundle(2), window=WINDOW, accept_window="")
    went = w.settled(again)
    new = feast.serve("live", origin="EWR")
    w.at_switch = lambda: None
    w.roll_back()
    w.settle()

    old_values = {"origin": "EWR", "temp": 10.0, "temp_distance": 20.0}
    new_values = {**old_values, "humidity": 10.0}
    assert before == [(True, new_values), (True, new_values)]
    assert (turned_back.state, went.state) == (OperationState.COMPENSATED, OperationState.SUCCEEDED)
    assert (back, new, feast.serve("live", origin="EWR")) == (old_values, new_values, old_values)
    assert all(plane.converged for plane in describe_alias(w.runtime, ALIAS).planes)
    w.database.close()


def test_a_job_of_the_bad_definition_that_ends_after_the_rollback_is_undone(
    tmp_path: Path, feast: FeastWorld
) -> None:
    w = FeastTrilock(tmp_path, feast, in_place=True)
    w.go("celsius")
    w.go("scaled")
    late = feast.feast("live")
    view = late.get_feature_view("weather")
    w.roll_back()
    w.settle()
    # What such a job does at its end: its rows go by name, its watermark to what is defined now.
    late.materialize(WINDOW.start, NOW, feature_views=["weather"])
    with feast.store._stores.online.database.begin("write") as connection:  # type: ignore[union-attr]
        name = feast.store._stores.online.quoted("live_weather")  # type: ignore[union-attr]
        scaled = feast.store._stores.online.quoted(  # type: ignore[union-attr]
            next(
                table
                for table in feast.store._stores.online._tables(connection)  # type: ignore[union-attr]
                if "__s2_" in table
            )
        )
        connection.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608 - quoted
        connection.exec_driver_sql(f"INSERT INTO {name} SELECT * FROM {scaled}")  # noqa: S608 - quoted
    late.registry.apply_materialization(view, "live", WINDOW.start, NOW + timedelta(hours=3))
    polluted = w.read()

    FeatureWatcher(w.database, w, interval=60.0).look()
    w.settle()

    assert (polluted, w.read()) == (1000.0, 10.0)
    w.database.close()
