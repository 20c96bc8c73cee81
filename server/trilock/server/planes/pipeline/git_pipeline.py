"""A pipeline in git and DVC: what a commit recorded, and whether all of it can still be had.

Plumbing commands and files only. DVC is not imported: it takes over stdout,
its status call modifies the cache it looks at, and it never notices a corrupt
object. What only DVC can reach, a remote in a cloud, is named as not checked, and
fetched by DVC in a process of its own when it is to be restored.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from trilock.server.domain.bundle import PipelineCommit, PipelineOutput
from trilock.server.domain.errors import InvalidNameError, NotFoundError, PreconditionError
from trilock.server.domain.ports import Patch, Restorability
from trilock.server.planes.pipeline.dvc_config import Elsewhere, Places, Store, places
from trilock.server.planes.pipeline.dvc_fetch import fetched
from trilock.server.planes.pipeline.dvc_objects import ObjectCheck
from trilock.server.planes.pipeline.dvc_state import is_dvc_file, pipeline_outputs, state_digest
from trilock.server.planes.pipeline.git_plumbing import GitError, GitRepository, TreeEntry
from trilock.server.planes.pipeline.restore import restore
from trilock.server.planes.pipeline.staleness import stale

_REVISION: Final = re.compile(r"[0-9a-f]{40}")
_PATCH_BYTES: Final = 2 << 20
_PARAMETERS: Final = (".yaml", ".yml", ".json", ".toml", ".dvcignore")
_CONFIG, _LOCAL = ".dvc/config", ".dvc/config.local"


def check_revision(text: str) -> None:
    """Check that *text* is a full commit id: a name or a short one may mean another tomorrow.

    Raises:
        InvalidNameError: It is not one.
    """
    if not _REVISION.fullmatch(text):
        raise InvalidNameError(kind="full commit id", value=text, pattern=_REVISION.pattern)


class GitPipeline:
    """Implements Pipeline. Safe to use from many threads."""

    def __init__(
        self,
        repository: Path,
        *,
        cache: Path | None = None,
        remotes: Sequence[Path] = (),
        name: str = "git",
        hash_seconds: float = 1800.0,
    ) -> None:
        """Look at nothing yet.

        Args:
            repository: Top folder of a working tree, or a bare repository.
            cache: DVC's cache; by default where the repository's configuration says.
            remotes: Folders of DVC remotes, besides those in the configuration.
            name: How errors call the repository.
            hash_seconds: Time limit for one `verify` with hashing.
        """
        self._path = repository
        self._cache = cache
        self._remotes = tuple(remotes)
        self._name = name
        self._hash_seconds = hash_seconds
        self._git = GitRepository(repository, name=name)
        self._intact: dict[tuple[str, int, int, int], float] = {}

    def capture(self, revision: str) -> PipelineCommit:
        """See Pipeline."""
        check_revision(revision)
        self._check_commit(revision)
        try:
            tree = self._git.tree(revision)
        except GitError as error:
            raise PreconditionError(f"commit {revision} cannot be read: {error}") from error
        outputs = pipeline_outputs(self._dvc_files(tree))
        return PipelineCommit(
            revision=revision, state_digest=state_digest(outputs), outputs=outputs
        )

    def verify(self, captured: PipelineCommit, *, hashing: bool = False) -> Restorability:
        """See Pipeline."""
        tree = self._tree(captured.revision)
        check = ObjectCheck(
            places=self._places(tree),
            hashing=hashing,
            seconds=self._hash_seconds,
            plane=self._name,
            intact=self._intact,
        )
        problems = list(self._commit_problems(captured.revision, tree))
        for output in captured.outputs:
            if output.cached:
                problems += check.problems(output)
            elif tree is not None:
                problems += _git_problems(output, tree)
        return Restorability(
            problems=tuple(problems),
            objects=check.objects,
            hashed=hashing,
            unchecked=tuple(check.unchecked),
        )

    def stale(self, captured: PipelineCommit) -> tuple[str, ...]:
        """See Pipeline."""
        self._check_commit(captured.revision)
        tree = self._git.tree(captured.revision)
        files = self._dvc_files(tree)
        locks = {path: raw for path, raw in files.items() if path.split("/")[-1] == "dvc.lock"}
        return stale(locks, outputs=captured.outputs, read=partial(self._read, tree))

    def restore(self, captured: PipelineCommit, *, into: Path) -> None:
        """See Pipeline."""
        tree = self._tree(captured.revision)
        restore(
            captured.outputs,
            into=into,
            places=self._places(tree),
            in_git=partial(self._in_git, tree or {}),
            fetched=lambda: fetched(self._small_files(tree or {}), local=self._local(tree)),
            has_imports=self._has_imports(tree or {}),
            subject=f"the outputs of commit {captured.revision}",
        )

    def patch(self, *, head: str | None, revision: str, folder: str) -> Patch:
        """See Pipeline."""
        check_revision(revision)
        self._check_commit(revision)
        if head is not None:
            check_revision(head)
            self._check_commit(head)
        try:
            before = head or self._git.head()
            text = self._git.diff(before, revision, folder=folder)
        except GitError as error:
            raise PreconditionError(f"{self._name} cannot be compared: {error}") from error
        if len(text) > _PATCH_BYTES:
            raise PreconditionError(
                f"the patch has {len(text)} bytes, more than {_PATCH_BYTES}; make it yourself: "
                f"git diff --binary {before} {revision} -- {folder or '.'}"
            )
        return Patch(head=before, revision=revision, text=text)

    def _read(self, tree: dict[str, TreeEntry], path: str) -> bytes | None:
        entry = tree.get(path)
        if entry is None or not entry.is_file:
            return None
        return self._git.blobs([entry.object_id]).get(entry.object_id)

    def _in_git(self, tree: dict[str, TreeEntry], output: str) -> dict[str, bytes]:
        wanted = {
            path: entry.object_id
            for path, entry in tree.items()
            if entry.is_file and (path == output or path.startswith(f"{output}/"))
        }
        blobs = self._git.blobs(wanted.values())
        # All or none of a folder.
        if not blobs.keys() >= set(wanted.values()):
            return {}
        return {path: blobs[object_id] for path, object_id in wanted.items()}

    def _small_files(self, tree: dict[str, TreeEntry]) -> dict[str, bytes]:
        """Return what DVC reads to know its outputs: its own files, and those with parameters."""
        wanted = {
            path: entry.object_id
            for path, entry in tree.items()
            if entry.is_file
            and (is_dvc_file(path) or _is_config(path) or path.endswith(_PARAMETERS))
        }
        blobs = self._git.blobs(wanted.values())
        files = {path: blobs[each] for path, each in wanted.items() if each in blobs}
        if self._git.is_bare():
            return files
        # As for every look: where objects are is said by the configuration of today.
        today = {path: _text(self._path / path) for path in files if _is_config(path)}
        return files | {path: text.encode() for path, text in today.items() if text}

    def _has_imports(self, tree: dict[str, TreeEntry]) -> bool:
        singles = [
            entry.object_id
            for path, entry in tree.items()
            if is_dvc_file(path) and path.endswith(".dvc") and entry.is_file
        ]
        return any(b"repo:" in raw for raw in self._git.blobs(singles).values())

    def _local(self, tree: dict[str, TreeEntry] | None) -> dict[str, str]:
        """Return the text of `.dvc/config.local`, by root of a DVC repository."""
        roots = [path.removesuffix(_CONFIG) for path in tree or () if _is_config(path)]
        bare = self._git.is_bare()
        return {root: "" if bare else _text(self._path / root / _LOCAL) for root in roots}

    def _check_commit(self, revision: str) -> None:
        kind = self._git.kind(revision)
        if kind == "commit":
            return
        hint = f"it is a {kind}" if kind else "fetch it into that clone, or name one that it has"
        if kind is None and self._git.is_shallow():
            hint = "the clone is shallow and may lack it; run `git fetch --unshallow`"
        raise NotFoundError(f"commit {revision} in {self._name}", hint=hint)

    def _dvc_files(self, tree: dict[str, TreeEntry]) -> dict[str, bytes]:
        wanted = {
            path: entry.object_id
            for path, entry in tree.items()
            if entry.is_file and is_dvc_file(path)
        }
        blobs = self._git.blobs(wanted.values())
        for path, object_id in wanted.items():
            if object_id not in blobs:
                raise PreconditionError(
                    f"{path!r} cannot be read: this clone does not have its content", file=path
                )
        return {path: blobs[object_id] for path, object_id in wanted.items()}

    def _tree(self, revision: str) -> dict[str, TreeEntry] | None:
        """Return the files of *revision*; None if the commit is gone, or a part of it."""
        if self._git.kind(revision) != "commit":
            return None
        try:
            return self._git.tree(revision)
        except GitError:
            return None

    def _commit_problems(self, revision: str, tree: dict[str, TreeEntry] | None) -> Iterator[str]:
        if tree is None:
            yield f"commit {revision} is gone"
        elif not self._git.is_reachable(revision):
            yield (
                f"no branch or tag leads to commit {revision}: "
                "git will delete it, unless it is tagged"
            )

    def _places(self, tree: dict[str, TreeEntry] | None) -> Places:
        """Return where objects are, of every DVC repository in this git repository."""
        caches: list[Store] = []
        remotes: list[Store] = []
        elsewhere: list[Elsewhere] = []
        for found in self._configured(tree):
            caches += found.caches
            remotes += found.remotes
            elsewhere += found.elsewhere
        if self._cache is not None:
            caches = [Store(label="the cache", path=self._cache)]
        remotes += [Store(label=f"remote {path.name!r}", path=path) for path in self._remotes]
        return Places(caches=tuple(caches), remotes=tuple(remotes), elsewhere=tuple(elsewhere))

    def _configured(self, tree: dict[str, TreeEntry] | None) -> Iterator[Places]:
        if self._git.is_bare():
            yield places(self._committed_config(), folder=None)
            return
        # `dvc init --subdir` puts a DVC repository into a folder of this one.
        roots = {""} | {path.removesuffix(_CONFIG) for path in tree or () if _is_config(path)}
        for root in sorted(roots):
            top = self._path / root
            texts = [(f"{root}{name}", _text(top / name)) for name in (_CONFIG, _LOCAL)]
            yield places(texts, folder=top / ".dvc")

    def _committed_config(self) -> list[tuple[str, str]]:
        try:
            entry = self._git.tree("HEAD").get(_CONFIG)
        except GitError:
            return []  # no commit on the default branch yet
        if entry is None:
            return []
        raw = self._git.blobs([entry.object_id]).get(entry.object_id, b"")
        return [(_CONFIG, raw.decode(errors="replace"))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        what = f"{path.name!r} cannot be read: {error.strerror}"
        raise PreconditionError(what, file=path.name) from error


def _is_config(path: str) -> bool:
    return path == _CONFIG or path.endswith(f"/{_CONFIG}")


def _git_problems(output: PipelineOutput, tree: dict[str, TreeEntry]) -> Iterator[str]:
    """Yield what is wrong with an output that is not cached: git must have it."""
    inside = f"{output.path}/"
    if output.path not in tree and not any(path.startswith(inside) for path in tree):
        yield f"{output.path!r} is neither cached by DVC nor in git"
