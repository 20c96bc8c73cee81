"""The file registry: written whole or not at all, and not over somebody else's work."""

from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict

from tests.support.feast_objects import feast_objects
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.config import FileRegistryConfig
from trilock.server.planes.feast.database import LostRaceError
from trilock.server.planes.feast.definitions import Key
from trilock.server.planes.feast.file_registry import FileRegistry


def messages() -> dict[Key, object]:
    return {
        (raw.kind, raw.name): ParseDict(dict(raw.definition), protos.kinds()[raw.kind].message())
        for raw in feast_objects("celsius")
    }


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    return FileRegistry(FileRegistryConfig(path=tmp_path / "registry.db"))


def known(registry: FileRegistry) -> list[tuple[str, int]]:
    with registry.reading() as session:
        return [(name, len(session.read(name))) for name in session.projects()]


def test_projects_share_the_file_and_not_their_objects(registry: FileRegistry) -> None:
    for project in ("a", "b", "a"):
        with registry.writing(project) as session:
            session.write(project, messages())

    assert known(registry) == [("a", 8), ("b", 8)]


def test_nothing_stays_of_a_session_that_fails(registry: FileRegistry) -> None:
    with registry.writing("a") as session:
        session.write("a", messages())

    def fail() -> None:
        with registry.writing("b") as session:
            session.write("b", messages())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert known(registry) == [("a", 8)]


def test_what_somebody_else_wrote_meanwhile_stays(registry: FileRegistry, tmp_path: Path) -> None:
    other = FileRegistry(FileRegistryConfig(path=tmp_path / "other.db"))
    with other.writing("theirs") as session:
        session.write("theirs", messages())

    def lose() -> None:
        with registry.writing("ours") as session:
            session.write("ours", messages())
            (tmp_path / "registry.db").write_bytes((tmp_path / "other.db").read_bytes())

    with pytest.raises(LostRaceError):
        lose()

    assert known(registry) == [("theirs", 8)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other.db",
        "other.db.lock",
        "registry.db",
        "registry.db.lock",
    ]


def test_a_session_that_only_reads_writes_nothing(registry: FileRegistry, tmp_path: Path) -> None:
    with registry.writing("a") as session:
        assert session.read("a") == {}

    assert not (tmp_path / "registry.db").exists()


def test_half_a_file_is_unavailable(registry: FileRegistry, tmp_path: Path) -> None:
    with registry.writing("a") as session:
        session.write("a", messages())
    file = tmp_path / "registry.db"
    file.write_bytes(file.read_bytes()[:-3])

    with pytest.raises(PlaneUnavailableError, match="is being written, or is no registry"):
        known(registry)


def test_the_same_objects_are_read_as_the_same_bytes(registry: FileRegistry) -> None:
    made = messages()
    key, view = next((key, made[key]) for key in made if key[0] == "feature_view")
    tags = {f"tag{number}": str(number) for number in range(40)}
    view.spec.tags.update(tags)  # type: ignore[attr-defined]  # a Feast message
    with registry.writing("a") as session:
        session.write("a", made)

    with registry.reading() as session:
        read = session.read("a")[key]

    again = type(view)()
    again.MergeFromString(read)  # type: ignore[attr-defined]
    assert dict(again.spec.tags) == tags  # type: ignore[attr-defined]
    # Feast writes maps in any order, another one each time; told from the bytes, that is a change.
    assert read == again.SerializeToString(deterministic=True)  # type: ignore[attr-defined]
