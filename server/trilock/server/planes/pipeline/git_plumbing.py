"""A git repository, read through plumbing commands only.

Nothing is written, no lock is taken, no working tree is looked at, and nothing
is fetched: in a partial clone an object that is not here is missing. The
repository may belong to another user; that git would refuse. Every command has
a time limit.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trilock.server.domain.errors import PlaneUnavailableError

_SECONDS: Final = 30.0


class GitError(Exception):
    """A command failed; the text is git's own first line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file of a commit."""

    mode: str
    object_id: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a symbolic link or a submodule."""
        return self.mode.startswith("100")


class GitRepository:
    """Reads the repository whose top folder, or bare folder, is `path`."""

    def __init__(self, path: Path, *, name: str, seconds: float = _SECONDS) -> None:
        self._path = path.resolve()
        self._name = name
        self._seconds = seconds

    def is_bare(self) -> bool:
        """Return whether there is no working tree.

        Raises:
            PlaneUnavailableError: It is not a git repository, or does not answer in time.
        """
        return self._answer("rev-parse", "--is-bare-repository") == "true"

    def is_shallow(self) -> bool:
        """Return whether history was cut off when it was cloned."""
        return self._answer("rev-parse", "--is-shallow-repository") == "true"

    def kind(self, object_id: str) -> str | None:
        """Return `commit`, `tag`, `tree` or `blob`; None if there is no such object.

        Raises:
            PlaneUnavailableError: It is not a git repository, or does not answer in time.
        """
        try:
            words = self._run("cat-file", "--batch-check", stdin=f"{object_id}\n".encode()).split()
        except GitError:
            self.is_bare()  # is it a repository at all?
            return None  # a partial clone fails where another says `missing`
        return None if words[-1] == b"missing" else words[1].decode()

    def is_reachable(self, commit: str) -> bool:
        """Return whether a reference or HEAD leads to *commit*; git deletes what none does."""
        refs = ("for-each-ref", "--count=1", "--format=%(refname)", "--contains", commit)
        try:
            if self._run(*refs).strip():
                return True
            self._run("merge-base", "--is-ancestor", commit, "HEAD")
        except GitError:
            return False
        return True

    def tree(self, commit: str) -> dict[str, TreeEntry]:
        """Return all files of *commit* by path.

        Raises:
            GitError: There is no such commit, or its trees are not all here.
        """
        entries: dict[str, TreeEntry] = {}
        raw = self._run("ls-tree", "-r", "-z", "--full-tree", commit)
        for record in raw.split(b"\0")[:-1]:
            words, _, path = record.partition(b"\t")
            mode, _, object_id = words.decode().split(" ")
            entries[os.fsdecode(path)] = TreeEntry(mode=mode, object_id=object_id)
        return entries

    def blobs(self, object_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the content of those of *object_ids* that are here."""
        wanted = list(object_ids)
        try:
            return self._blobs(wanted)
        except GitError:
            if len(wanted) < 2:  # noqa: PLR2004 - one alone: it is this one
                return {}
        # A partial clone fails as a whole where another says `missing`.
        return {key: raw for each in wanted for key, raw in self.blobs([each]).items()}

    def head(self) -> str:
        """Return the full id of the commit that HEAD is.

        Raises:
            GitError: There is no commit yet.
            PlaneUnavailableError: It is not a git repository, or does not answer in time.
        """
        self.is_bare()  # is it a repository at all?
        return self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()

    def diff(self, before: str, after: str, *, folder: str) -> bytes:
        """Return the patch that makes *folder* of commit *before* as it is in *after*.

        Raises:
            GitError: One of them is not there, or not all of it.
        """
        form = ("--patch", "--binary", "--full-index", "--no-renames", "--no-ext-diff")
        names = ("--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--no-color")
        paths = (f":(top,literal){folder}",) if folder else ()
        return self._run("diff-tree", "-r", *form, *names, before, after, "--", *paths)

    def _blobs(self, wanted: list[str]) -> dict[str, bytes]:
        raw = self._run("cat-file", "--batch", stdin="".join(f"{i}\n" for i in wanted).encode())
        found: dict[str, bytes] = {}
        position = 0
        for object_id in wanted:
            line_end = raw.index(b"\n", position)
            header = raw[position:line_end].split(b" ")
            position = line_end + 1
            if header[-1] != b"missing":
                size = int(header[-1])
                found[object_id] = raw[position : position + size]
                position += size + 1
        return found

    def _answer(self, *arguments: str, stdin: bytes = b"") -> str:
        try:
            return self._run(*arguments, stdin=stdin).decode().strip()
        except GitError as error:
            raise PlaneUnavailableError(plane=self._name, what=str(error)) from error

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        program = shutil.which("git")
        if program is None:
            raise PlaneUnavailableError(plane=self._name, what="the program git is not installed")
        command = [program, "-C", str(self._path), "-c", f"safe.directory={self._path}"]
        try:
            result = subprocess.run(  # noqa: S603 - no shell, and no argument begins with a dash
                [*command, *arguments],
                input=stdin,
                env=self._environment(),
                capture_output=True,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = f"git took longer than {self._seconds:g} s"
            raise PlaneUnavailableError(plane=self._name, what=what) from None
        if result.returncode:
            raise GitError(_reason(os.fsdecode(result.stderr), code=result.returncode))
        return result.stdout

    def _environment(self) -> dict[str, str]:
        # GIT_DIR and the like, of a hook that started us, would lead elsewhere.
        inherited = {key: value for key, value in os.environ.items() if key[:4] != "GIT_"}
        return inherited | {
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            # The same for git before 2.44: no protocol has this name.
            "GIT_ALLOW_PROTOCOL": "none",
            # A folder that is no repository must not lead to one above it.
            "GIT_CEILING_DIRECTORIES": str(self._path.parent),
        }


def _reason(text: str, *, code: int) -> str:
    """Return the line in which git says why it ended; warnings come before it."""
    fatal = [line for line in text.splitlines() if line.startswith("fatal: ")]
    return fatal[0].removeprefix("fatal: ") if fatal else f"git ended with code {code}"
