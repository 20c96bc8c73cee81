"""A folder of a git repository at one commit, without touching a working tree."""

import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from trilock.server.domain.errors import InvalidNameError, NotFoundError, PreconditionError

_REVISION: Final = re.compile(r"[0-9a-f]{40}")
_SECONDS: Final = 60


def checkout(*, repository: Path, revision: str, folder: str, into: Path) -> None:
    """Write the files of *folder* at commit *revision* into the empty folder *into*.

    Raises:
        InvalidNameError: *revision* is not a full commit id.
        NotFoundError: There is no such commit, or no such folder in it.
        PreconditionError: git cannot read the repository.
    """
    if not _REVISION.fullmatch(revision):
        raise InvalidNameError(kind="full commit id", value=revision, pattern=_REVISION.pattern)
    git_dir = _git_dir(repository)
    if _git(git_dir, "cat-file", "-e", f"{revision}^{{commit}}").returncode != 0:
        shallow = _git(git_dir, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        raise NotFoundError(
            f"commit {revision} in {repository.name!r}",
            hint="the clone is shallow; fetch the rest" if shallow else "",
        )
    tree = _tree(git_dir, f"{revision}:{folder.strip('/')}")
    if tree is None:
        raise NotFoundError(f"folder {folder!r} at commit {revision}")
    with tempfile.TemporaryDirectory(prefix="trilock-") as scratch:
        tar = Path(scratch) / "tree.tar"
        archive = _git(git_dir, "archive", "--format=tar", f"--output={tar}", tree)
        if archive.returncode != 0:
            raise PreconditionError(f"git cannot read commit {revision}: {_last_line(archive)}")
        try:
            with tarfile.open(tar) as files:
                files.extractall(into, filter="data")
        except tarfile.FilterError as error:
            raise PreconditionError(f"commit {revision} cannot be checked out: {error}") from error


def _git_dir(repository: Path) -> Path:
    if not repository.is_dir():
        raise NotFoundError(f"git repository {repository.name!r}")
    found = _git(repository, "rev-parse", "--absolute-git-dir")
    if found.returncode != 0:
        raise PreconditionError(f"git cannot read {repository.name!r}: {_last_line(found)}")
    return Path(os.fsdecode(found.stdout).rstrip("\n"))


def _tree(git_dir: Path, name: str) -> str | None:
    found = _git(git_dir, "rev-parse", "--verify", "--quiet", name)
    tree = found.stdout.decode().strip()
    is_tree = found.returncode == 0 and _git(git_dir, "cat-file", "-t", tree).stdout == b"tree\n"
    return tree if is_tree else None


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # A repository of another user is fine: we only read, and run no hook of it.
    command = ["git", "-c", "safe.directory=*", *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        return subprocess.run(  # noqa: S603 - arguments are checked above
            command,
            cwd=folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env=kept | quiet,
        )
    except subprocess.TimeoutExpired as error:
        raise PreconditionError(f"git did not answer within {_SECONDS} s") from error


def _last_line(answer: subprocess.CompletedProcess[bytes]) -> str:
    lines = answer.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.returncode}"
