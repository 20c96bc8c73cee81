"""Capturing from a commit: what the repository's own code may do, and what comes of it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.feast_repo import ForkWorker, SqliteWorld, feast_warnings, features_py
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.planes.feast.process import Message
from trilock.server.planes.feast.repository import capture_folder

pytestmark = [pytest.mark.slow, feast_warnings]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld(tmp_path / "feast", worker=ForkWorker())
    yield world
    world.close()


def capture(world: SqliteWorld, text: str, *, service: str = "delay") -> FeatureCapture:
    return world.store.capture_repository(
        repository=world.repository,
        revision=world.commit_text(text),
        folder="features",
        service=service,
    )


def test_the_same_files_give_the_same_bytes_wherever_they_are_checked_out(
    world: SqliteWorld,
) -> None:
    text = features_py("celsius")

    first, second = capture(world, text), capture(world, text)

    assert first.definition_digest == second.definition_digest
    assert capture(world, features_py("scaled")).definition_digest != first.definition_digest


def test_paths_stay_as_they_are_written(world: SqliteWorld) -> None:
    described = world.store.describe(capture(world, features_py("celsius")))

    source = next(raw for raw in described if raw.name == "weather_source")
    assert source.definition["file_options"]["uri"] == "data/celsius.parquet"


def test_modules_of_the_repository_can_import_each_other(world: SqliteWorld) -> None:
    folder = world.repository / "features" / "shared"
    world.commit_text("")
    folder.mkdir()
    (folder / "names.py").write_text("TEMP = 'temp'\n")
    world._git("add", "features/shared")

    text = features_py("celsius").replace('name="temp"', "name=TEMP")
    described = world.store.describe(capture(world, f"from shared.names import TEMP\n{text}"))

    view = next(raw for raw in described if raw.kind == "feature_view")
    assert [feature["name"] for feature in view.definition["spec"]["features"]] == ["temp"]


def test_a_project_object_names_the_project(world: SqliteWorld) -> None:
    text = features_py("celsius") + "\nfrom feast import Project\np = Project(name='other')\n"

    assert capture(world, text).project == "other"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("", "raise ValueError('broken')", "features.py:2: ValueError: broken"),
        ("", "import sys; sys.exit('enough')", "features.py:2: SystemExit: enough"),
        ("", "def", "features.py:2: SyntaxError: invalid syntax"),
        ("", "import nothing_of_that_name", "features.py:2: ModuleNotFoundError: No module named"),
        (
            'path="data/celsius.parquet"',
            'path=__import__("os").path.abspath("data/celsius.parquet")',
            "data source 'weather_source' depends on the folder it is checked out to",
        ),
    ],
)
def test_code_that_cannot_be_captured_is_one_line(
    world: SqliteWorld, before: str, after: str, message: str
) -> None:
    text = features_py("celsius").replace(before, after) if before else f"\n{after}\n"

    with pytest.raises(PreconditionError) as caught:
        capture(world, text)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


class VanishingWorker:
    """A job whose process was ended by the repository's code, as if nothing were wrong."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        tell({"progress": "half way"})


def test_code_that_ends_its_process_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="ended the process it was imported in"):
        capture_folder(VanishingWorker(), folder=tmp_path, settings={}, project="delay")


def test_a_service_that_the_commit_does_not_have_is_not_found(world: SqliteWorld) -> None:
    with pytest.raises(NotFoundError, match=r"feature service 'typo'.*there is: delay, places"):
        capture(world, features_py("celsius"), service="typo")


def test_code_beside_its_data_still_has_relative_paths(world: SqliteWorld) -> None:
    text = features_py("celsius").replace(
        'path="data/celsius.parquet"',
        'path=str(__import__("pathlib").Path(__file__).parent / "data/celsius.parquet")',
    )

    described = world.store.describe(capture(world, text))

    source = next(raw for raw in described if raw.name == "weather_source")
    assert source.definition["file_options"]["uri"] == "data/celsius.parquet"
