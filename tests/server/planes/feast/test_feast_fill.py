"""Feeding online tables: with the real worker, and when a source lets us down."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.feast_kinds import EVERY_KIND
from tests.support.feast_repo import (
    NOW,
    FeastWorld,
    InlineWorker,
    SqliteWorld,
    feast_warnings,
)
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import Comparison, ViewState, Window
from trilock.server.planes.feast.feature_store import FeastFeatureStore
from trilock.server.planes.feast.process import WorkerProcess

pytestmark = [pytest.mark.slow, feast_warnings]

DAY = Window(start=NOW - timedelta(days=1), end=NOW)


def test_from_a_commit_to_served_values_with_real_workers(tmp_path: Path) -> None:
    world = SqliteWorld(tmp_path / "feast", worker=WorkerProcess(timeout=120.0))
    told: list[str] = []

    captured = world.store.capture_repository(
        repository=world.repository,
        revision=world.commit("scaled"),
        folder="features",
        service="delay",
    )
    world.store.deploy(captured, project="delay__s1", expected=None)
    filled = world.store.fill(captured, project="delay__s1", window=DAY, progress=told.append)
    compared = world.store.compare(captured, project="delay__s1", window=DAY, sample=10)

    assert filled == (
        ViewState(view="weather", rows=3, fed_from=DAY.start, fed_until=NOW, feedable=True),
    )
    assert compared == (Comparison(view="weather", offline=3, online=3, sampled=3, differences=()),)
    assert told == ["weather: materializing", f"weather: fed until {NOW.isoformat()}"]
    assert world.serve("delay__s1", origin="JFK")["temp_distance"] == 4000.0
    world.close()


def test_a_source_that_is_not_there_is_one_line_and_no_watermark(
    sqlite_world: SqliteWorld,
) -> None:
    sqlite_world.apply("celsius")
    captured = sqlite_world.store.capture_project(project="delay", service="delay")
    sqlite_world.store.deploy(captured, project="delay__s1", expected=None)
    (sqlite_world.folder / "data" / "celsius.parquet").unlink()

    with pytest.raises(PreconditionError, match=r"FileNotFoundError: .*celsius\.parquet") as caught:
        sqlite_world.store.fill(captured, project="delay__s1", window=DAY, progress=lambda _: None)

    assert "\n" not in str(caught.value)
    assert sqlite_world.store.views(captured, project="delay__s1") == (
        ViewState(view="weather", rows=0, fed_from=None, fed_until=None, feedable=True),
    )


def test_every_kind_of_view_is_deployed_fed_and_served(world: FeastWorld) -> None:
    world.apply_text(EVERY_KIND, name="every_kind")
    captured = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(captured, project="delay__s1", expected=None)
    told: list[str] = []

    filled = world.store.fill(captured, project="delay__s1", window=DAY, progress=told.append)

    assert [(state.view, state.rows, state.fed_until, state.feedable) for state in filled] == [
        ("late", 0, None, False),
        ("nobody", 1, NOW, True),
        ("plain", 3, NOW, True),
        ("pushed", 3, NOW, True),
        ("stored", 3, None, False),
        ("stream", 3, NOW, True),
    ]
    assert (
        "late: labels are written by whoever labels: have them written to this project, too" in told
    )
    store = world.feast("delay__s1")
    features = ["plain:temp", "pushed:temp", "stream:temp", "stored:twice", "nobody:temp"]
    answer = store.get_online_features(
        features=features, entity_rows=[{"origin": "JFK"}], full_feature_names=True
    ).to_dict()
    assert [answer[name.replace(":", "__")] for name in features[:4]] == [
        [20.0],
        [20.0],
        [20.0],
        [40.0],
    ]


def test_feasts_own_materialization_changes_no_definition(world: FeastWorld) -> None:
    world.apply_text(EVERY_KIND, name="every_kind")
    captured = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(captured, project="delay__s1", expected=None)

    store = world.feast("delay__s1")
    for view in ("nobody", "plain", "pushed", "stream"):
        store.materialize(DAY.start, DAY.end, feature_views=[view])

    assert world.store.definition(captured, project="delay__s1") == captured.definition_digest
    assert [
        state.view
        for state in world.store.views(captured, project="delay__s1")
        if state.fed_until == NOW
    ] == ["nobody", "plain", "pushed", "stream"]


def test_another_online_store_is_left_to_feast(sqlite_world: SqliteWorld) -> None:
    from tests.support.recording_online_store import (  # noqa: PLC0415 - imports Feast
        RecordingOnlineStore,
    )

    sqlite_world.apply("celsius")
    captured = sqlite_world.store.capture_project(project="delay", service="delay")
    name = "tests.support.recording_online_store.RecordingOnlineStore"
    sqlite_world.configure(online_store={"type": name})
    store = FeastFeatureStore(sqlite_world.yaml, worker_timeout=1.0, worker=InlineWorker())
    RecordingOnlineStore.made.clear()

    store.deploy(captured, project="delay__s1", expected=None)
    filled = store.fill(captured, project="delay__s1", window=DAY, progress=lambda _: None)
    with pytest.raises(PreconditionError, match="cannot copy tables"):
        store.mirror(captured, source="delay__s1", project="live")
    store.close()

    assert RecordingOnlineStore.made == [("delay__s1", "weather")]
    assert filled == (
        ViewState(view="weather", rows=None, fed_from=DAY.start, fed_until=NOW, feedable=True),
    )
