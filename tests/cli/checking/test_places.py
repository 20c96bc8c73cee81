"""Where things are defined is found without running anything."""

from pathlib import Path

import pytest

from trilock.cli.checking.places import Places
from trilock.cli.output.outcome import Place

FEATURES = """\
from feast import FeatureService, FeatureView, Field
from feast.on_demand_feature_view import on_demand_feature_view

raise SystemExit("nobody runs this")
weather = FeatureView(
    name="weather",
    schema=[
        Field(name="temp", dtype=Float64),
        Field("wind", Float64),
    ],
)


@on_demand_feature_view(sources=[weather], schema=[Field(name="warm", dtype=Float64)])
def warmth(inputs):
    return inputs


made_up = FeatureView(name="we" + "ird")
delay = FeatureService(name="delay", features=[weather, warmth])
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    folder = tmp_path / "repo" / "views"
    folder.mkdir(parents=True)
    (folder / "features.py").write_text(FEATURES)
    (folder / "broken.py").write_text("def")
    (tmp_path / "repo" / ".hidden").mkdir()
    (tmp_path / "repo" / ".hidden" / "old.py").write_text('FeatureService(name="gone")')
    monkeypatch.chdir(tmp_path)
    return Places(Path("repo"))


@pytest.mark.parametrize(
    ("path", "service", "line"),
    [
        ("weather:temp", "delay", 8),
        ("weather:wind", "delay", 9),
        ("weather:rain", "delay", 5),
        ("temp", "delay", 8),
        ("warmth:warm", "delay", 14),
        ("warmth:cold", "delay", 14),
        ("rain", "delay", 20),
        ("weird:x", "delay", 20),
    ],
)
def test_what_is_there_is_found(path: str, service: str, line: int, places: Places) -> None:
    assert places.find(path, service=service) == Place(file="repo/views/features.py", line=line)


def test_what_is_not_there_is_all_of_the_repository(places: Places) -> None:
    assert places.find("x", service="gone") == Place(file="repo/feature_store.yaml", line=1)


def test_a_folder_elsewhere_is_named_whole(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    elsewhere = Places(tmp_path / "repo").find("temp", service="delay").file

    assert elsewhere == str(tmp_path / "repo/views/features.py").lstrip("/")
