from pathlib import Path

import pytest
from examples.flights.folder import MARKER, FolderError, claimed


def test_it_is_made(tmp_path: Path) -> None:
    with claimed(tmp_path / "build" / "demo") as folder:
        assert folder == tmp_path / "build" / "demo"
        assert [found.name for found in folder.iterdir()] == [MARKER]


def test_what_a_demo_left_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    with claimed(tmp_path / "demo") as folder:
        (folder / "state").mkdir()
        (folder / "state" / "mlflow.db").touch()
        (folder / "report.json").touch()
        (folder / "link").symlink_to(kept)

    with claimed(tmp_path / "demo") as folder:
        assert [found.name for found in folder.iterdir()] == [MARKER]
    assert (kept / "file").exists()  # what a link leads to is not the demo's


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    with claimed(tmp_path) as folder:
        assert folder == tmp_path


def test_what_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(FolderError, match="is not empty and no demo made it"), claimed(tmp_path):
        pass

    assert [found.name for found in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_demos_do_not_share_one(tmp_path: Path) -> None:
    with claimed(tmp_path) as folder:
        (folder / "trilock.toml").touch()

        with pytest.raises(FolderError, match="another demo runs in"), claimed(tmp_path):
            pass

        assert (folder / "trilock.toml").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    said = "cannot be used: Not a directory"
    with pytest.raises(FolderError, match=said), claimed(tmp_path / "file"):
        pass


@pytest.mark.parametrize("name", ["100%", "a?b", "a#b", "$HOME", 'a"b', "a\\b"])
def test_a_name_that_an_address_cannot_hold_is_refused(*, name: str, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="in it: say another folder"), claimed(tmp_path / name):
        pass

    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_inside_is_not_the_folders_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claimed(tmp_path):
        raise FileNotFoundError
