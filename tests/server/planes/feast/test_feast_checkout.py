"""Folders come out of git as they were committed, or it is said why not."""

import subprocess
from pathlib import Path

import pytest

from trilock.server.domain.errors import InvalidNameError, NotFoundError, PreconditionError
from trilock.server.planes.feast.checkout import checkout


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["/usr/bin/env", "git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "features" / "deep").mkdir(parents=True)
    (folder / "features" / "a.py").write_text("a = 1\n")
    (folder / "features" / "deep" / "b.py").write_text("b = 1\n")
    (folder / "README").write_text("outside\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }


def export(repository: Path, into: Path, *, revision: str, folder: str) -> dict[str, str]:
    into.mkdir()
    checkout(repository=repository, revision=revision, folder=folder, into=into)
    return files(into)


FEATURES = {"a.py": "a = 1\n", "deep/b.py": "b = 1\n"}


def test_a_folder_is_as_committed_whatever_the_working_tree_has(
    repository: Path, tmp_path: Path
) -> None:
    revision = git(repository, "rev-parse", "HEAD")
    (repository / "features" / "a.py").write_text("changed\n")
    git(repository, "commit", "--quiet", "--all", "--message", "second")
    before = git(repository, "status", "--porcelain")

    found = export(repository, tmp_path / "out", revision=revision, folder="features")

    assert found == FEATURES
    assert git(repository, "status", "--porcelain") == before


@pytest.mark.parametrize("folder", ["features", "features/", "/features"])
def test_a_folder_is_found_from_a_subdirectory_too(
    repository: Path, tmp_path: Path, folder: str
) -> None:
    revision = git(repository, "rev-parse", "HEAD")

    inside = export(repository / "features", tmp_path / "out", revision=revision, folder=folder)

    assert inside == FEATURES


def test_the_root_is_a_folder(repository: Path, tmp_path: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")

    found = export(repository, tmp_path / "out", revision=revision, folder="")

    assert sorted(found) == ["README", "features/a.py", "features/deep/b.py"]


def test_a_bare_repository_will_do(repository: Path, tmp_path: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare")

    found = export(tmp_path / "bare", tmp_path / "out", revision=revision, folder="features")

    assert found == FEATURES


def test_a_commit_that_a_shallow_clone_lacks_is_said_to_be_so(
    repository: Path, tmp_path: Path
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")

    with pytest.raises(NotFoundError, match="the clone is shallow; fetch the rest"):
        export(tmp_path / "shallow", tmp_path / "out", revision=first, folder="features")


@pytest.mark.parametrize(
    ("revision", "folder", "error", "message"),
    [
        ("HEAD", "features", InvalidNameError, "'HEAD' is not a valid full commit id"),
        ("0" * 40, "features", NotFoundError, f"commit {'0' * 40} in 'repository' does not"),
        (None, "typo", NotFoundError, "folder 'typo' at commit"),
        (None, "README", NotFoundError, "folder 'README' at commit"),
    ],
)
def test_what_is_not_there_is_named(
    repository: Path,
    tmp_path: Path,
    revision: str | None,
    folder: str,
    error: type[Exception],
    message: str,
) -> None:
    revision = revision or git(repository, "rev-parse", "HEAD")

    with pytest.raises(error, match=message):
        export(repository, tmp_path / "out", revision=revision, folder=folder)


def test_a_link_out_of_the_folder_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "features" / "link.py").symlink_to("/etc/hostname")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "link")
    revision = git(repository, "rev-parse", "HEAD")

    with pytest.raises(PreconditionError, match=r"cannot be checked out: .*link\.py"):
        export(repository, tmp_path / "out", revision=revision, folder="features")


def test_no_repository_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"git cannot read .*: fatal: not a git repo"):
        export(tmp_path, tmp_path / "out", revision="0" * 40, folder="")
    with pytest.raises(NotFoundError, match="git repository 'nowhere'"):
        checkout(
            repository=tmp_path / "nowhere", revision="0" * 40, folder="", into=tmp_path / "out"
        )
