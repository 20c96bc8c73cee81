"""A feature repository on disk defines what was captured of it, however that was captured."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.feast_repo import (
    FeastWorld,
    FileWorld,
    ForkWorker,
    SqliteWorld,
    feast_warnings,
    features_py,
)
from trilock.compat import (
    ChangeReport,
    Mode,
    Policy,
    Reader,
    RepositoryDefinitions,
    Standing,
    check_change,
)
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.planes.feast import working_tree
from trilock.server.planes.feast.feature_store import FeastFeatureStore

pytestmark = [pytest.mark.slow, feast_warnings]


def forked(*, timeout: float) -> ForkWorker:
    del timeout
    return ForkWorker()


@pytest.fixture(autouse=True)
def _one_feast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_tree, "WorkerProcess", forked)


@pytest.fixture(params=[SqliteWorld, FileWorld])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FeastWorld]:
    world: FeastWorld = request.param(tmp_path / "feast")
    yield world
    world.close()


def read(folder: Path, text: str) -> RepositoryDefinitions:
    """Return what a repository in *folder* with *text* defines; its registry is out of reach."""
    folder.mkdir()
    (folder / "features.py").write_text(text)
    (folder / "feature_store.yaml").write_text(
        "project: delay\nprovider: local\nentity_key_serialization_version: 3\n"
        "registry: {registry_type: snowflake.registry, path: elsewhere}\n"
    )
    return working_tree.read_repository(folder, seconds=60)


def judged(world: FeastWorld, capture: FeatureCapture, now: RepositoryDefinitions) -> ChangeReport:
    reader = Reader(
        name="featureServices/delay",
        standing=Standing.SERVICE,
        project=capture.project,
        service=capture.service,
        policy=Policy(mode=Mode.FORWARD),
        objects=world.store.describe(capture),
    )
    return check_change(now, readers=[reader], today=datetime.now(UTC).date())


def rules(change: ChangeReport) -> set[str]:
    assert change.judged
    return {one.rule for item in change.judged for one in item.report.findings}


def test_the_commit_that_was_recorded_changes_nothing(world: FeastWorld, tmp_path: Path) -> None:
    store = FeastFeatureStore(world.yaml, worker_timeout=60.0, worker=ForkWorker())
    capture = store.capture_repository(
        repository=world.repository,
        revision=world.commit("celsius"),
        folder="features",
        service="delay",
    )
    store.close()

    same = read(tmp_path / "same", features_py("celsius"))
    other = read(tmp_path / "other", features_py("scaled"))

    assert sorted(same.services) == ["delay", "places"]
    assert rules(judged(world, capture, same)) == set()
    assert rules(judged(world, capture, other)) == {"CON002"}
    left = sorted(path.name for path in (tmp_path / "same").rglob("*"))
    assert left == ["feature_store.yaml", "features.py"]


def test_a_project_that_feast_apply_made_changes_nothing_but_bytes(
    world: FeastWorld, tmp_path: Path
) -> None:
    world.apply("celsius")
    capture = world.store.capture_project(project="delay", service="delay")

    now = read(tmp_path / "repository", features_py("celsius"))

    # A serialised transformation has the path of its file in it: a note, no more.
    assert rules(judged(world, capture, now)) == {"SEM002"}
