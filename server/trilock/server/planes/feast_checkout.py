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
    _require_commit(repository, revision)
    tree = f"{revision}:{folder}" if folder else revision
    found = _git(repository, "rev-parse", "--verify", "--quiet", f"{tree}^{{tree}}")
    if found.returncode != 0:
        raise NotFoundError(f"folder {folder!r} at commit {revision}")
    # One object by its id, in a folder outside: else git archives the part below the folder.
    with tempfile.TemporaryDirectory(prefix="trilock-") as scratch:
        tar = Path(scratch) / "tree.tar"
        tree_id = found.stdout.decode().strip()
        archive = _git(repository, "archive", "--format=tar", f"--output={tar}", tree_id)
        if archive.returncode != 0:
            raise PreconditionError(f"git cannot read commit {revision}: {_last_line(archive)}")
        try:
            with tarfile.open(tar) as files:
                files.extractall(into, filter="data")
        except tarfile.FilterError as error:
            raise PreconditionError(f"commit {revision} cannot be checked out: {error}") from error


def _require_commit(repository: Path, revision: str) -> None:
    if not repository.is_dir():
        raise NotFoundError(f"git repository {repository.name!r}")
    if _git(repository, "cat-file", "-e", f"{revision}^{{commit}}").returncode == 0:
        return
    shallow = _git(repository, "rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0:
        raise PreconditionError(f"git cannot read {repository.name!r}: {_last_line(shallow)}")
    hint = "the clone is shallow; fetch the rest" if shallow.stdout.strip() == b"true" else ""
    raise NotFoundError(f"commit {revision} in {repository.name!r}", hint=hint)


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # A repository of another user is fine: we only read, and run no hook of it.
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        return subprocess.run(  # noqa: S603 - arguments are checked above
            command, capture_output=True, timeout=_SECONDS, check=False, env=kept | quiet
        )
    except subprocess.TimeoutExpired as error:
        raise PreconditionError(f"git did not answer within {_SECONDS} s") from error


def _last_line(answer: subprocess.CompletedProcess[bytes]) -> str:
    lines = answer.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.returncode}"
