"""A rollback sticks: against the next `feast apply`, and against who moves MLflow's alias."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.feast_repo import NOW, feast_warnings
from tests.support.real_world import LIVE_PROJECT, MODEL_NAME, RealWorld, Site
from tests.support.values import ALIAS
from trilock.server.domain.bundle import Bundle
from trilock.server.store.drifts import Drift
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.watching.drift_watcher import DriftWatcher

pytestmark = [pytest.mark.slow, feast_warnings]


@pytest.fixture(params=["sqlite", "postgres"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealWorld]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    world = RealWorld(
        Site(folder=tmp_path, store_url=f"sqlite:///{tmp_path / 'trilock.db'}", feast_url=url)
    )
    if url is not None:
        world.warehouse_url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    yield world
    world.close()


def drifts(w: RealWorld) -> tuple[Drift, ...]:
    return describe_alias(w.runtime, ALIAS).drifts


def rolled_back(w: RealWorld) -> tuple[Bundle, Bundle]:
    """Return the bundle that is live again, and the bad one."""
    good, bad = w.record(), w.record(variant="scaled")
    w.release(good)
    w.release(bad)
    w.roll_back()
    w.settle()
    assert w.live().bundle == good.ref
    return good, bad


def test_what_others_do_after_a_rollback_does_not_undo_it(w: RealWorld) -> None:
    _, bad = rolled_back(w)
    watcher = DriftWatcher(w.database, w, interval=60)
    watcher.look()
    before, agreed = w.mirrored(), drifts(w)

    # CI applies the bad definitions to the live project, and feeds them.
    w.feast.apply("scaled", project=LIVE_PROJECT)
    w.feast.feast(LIVE_PROJECT).materialize(NOW - timedelta(days=1), NOW)
    undone = w.mirrored()
    # And somebody moves the alias back to the bad version.
    registry = w.planes("delay").registry
    registry.set_alias(model=MODEL_NAME, alias="production", version="2")
    watcher.look()
    seen = drifts(w)
    w.settle()
    watcher.look()

    assert agreed == ()
    assert undone["temp"] == 100 * float(str(before["temp"]))
    assert [(drift.plane, drift.held, drift.reasserted) for drift in seen] == [
        ("feature_mirror", bad.ref, True),
        ("model_alias", bad.ref, True),
    ]
    assert "features added humidity" in " ".join(seen[0].deviation.changes)
    assert w.mirrored() == before
    assert w.alias() == "1"
    assert drifts(w) == ()


@pytest.mark.parametrize("w", ["postgres"], indirect=True)
def test_feeding_is_no_drift_and_what_nobody_holds_is_only_reported(w: RealWorld) -> None:
    good = w.record()
    w.release(good)
    watcher = DriftWatcher(w.database, w, interval=60)
    watcher.look()
    project = good.feature_schema.project
    features = w.planes("delay").features
    token = features.token(project=project)

    w.feast.feast(project).materialize(NOW - timedelta(days=1), NOW)
    moved = features.token(project=project)
    watcher.look()
    fed = drifts(w)
    w.feast.apply("scaled", project=project)
    watcher.look()
    w.settle()

    assert moved != token
    assert fed == ()
    (drift,) = drifts(w)
    assert (drift.plane, drift.held, drift.reasserted) == ("feature_projects", None, False)
    capture = good.feature_schema.capture
    assert features.definition(capture, project=project) != capture.definition_digest
