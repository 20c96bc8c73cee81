"""Feeding online tables: with the real worker, and when a source lets us down."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.feast_repo import NOW, SqliteWorld, feast_warnings
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import ViewState, Window
from trilock.server.planes.feast_process import WorkerProcess

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

    assert filled == (ViewState(view="weather", rows=3, fed_until=NOW),)
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
        ViewState(view="weather", rows=0, fed_until=None),
    )
