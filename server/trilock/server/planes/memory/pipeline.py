"""A pipeline in memory: commits that a test makes, and loses again.

The second half of the class is what a test does to the world; the port is the
first half.
"""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path

from trilock.server.domain.bundle import PipelineCommit, PipelineOutput
from trilock.server.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotReadyError,
    PlaneUnavailableError,
)
from trilock.server.domain.ports import Patch, Restorability
from trilock.server.planes.pipeline.dvc_state import MD5, state_digest
from trilock.server.planes.pipeline.git_pipeline import check_revision


class MemoryPipeline:
    """Implements Pipeline. Safe to use from many threads."""

    def __init__(self, *, name: str = "git") -> None:
        """Hold no commit."""
        self.down = False
        """Whether it does not answer."""
        self._name = name
        self._lock = threading.Lock()
        self._commits: dict[str, PipelineCommit] = {}
        self._unreachable: set[str] = set()
        self._objects: dict[str, bytes] = {}

    def capture(self, revision: str) -> PipelineCommit:
        """See Pipeline."""
        check_revision(revision)
        with self._lock:
            self._answer()
            if revision not in self._commits:
                raise NotFoundError(f"commit {revision} in {self._name}")
            return self._commits[revision]

    def verify(self, captured: PipelineCommit, *, hashing: bool = False) -> Restorability:
        """See Pipeline."""
        with self._lock:
            self._answer()
            problems: list[str] = []
            if captured.revision not in self._commits:
                problems.append(f"commit {captured.revision} is gone")
            elif captured.revision in self._unreachable:
                problems.append(
                    f"no branch or tag leads to commit {captured.revision}: "
                    "git will delete it, unless it is tagged"
                )
            cached = [each for each in captured.outputs if each.cached]
            for output in cached:
                problems += self._problems(output, hashing=hashing)
            objects = {each.digest for each in cached if each.digest is not None}
            return Restorability(problems=tuple(problems), objects=len(objects), hashed=hashing)

    def stale(self, captured: PipelineCommit) -> tuple[str, ...]:
        """See Pipeline."""
        self.capture(captured.revision)
        return ()

    def restore(self, captured: PipelineCommit, *, into: Path) -> None:
        """See Pipeline."""
        problems = self.verify(captured, hashing=True).problems
        if problems:
            subject = f"the outputs of commit {captured.revision}"
            raise NotReadyError(resource=subject, problems=problems)
        if into.exists():
            raise AlreadyExistsError(f"folder {into.name!r}", what="and is not overwritten")
        for output in captured.outputs:
            if output.digest is not None:
                target = into / output.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._objects[output.digest])

    def patch(self, *, head: str | None, revision: str, folder: str) -> Patch:
        """See Pipeline."""
        del folder
        before = self.capture(head or next(reversed(self._commits)))
        after = self.capture(revision)
        same = before.state_digest == after.state_digest
        text = b"" if same else f"from {before.revision} to {revision}\n".encode()
        return Patch(head=before.revision, revision=revision, text=text)

    def commit(self, outputs: Mapping[str, bytes | None], *, revision: str = "") -> str:
        """Add a commit that recorded *outputs* and return its id.

        Args:
            outputs: Content by path; None for one that was never made.
            revision: Its id, if it is to be that of a commit somewhere else.
        """
        with self._lock:
            rows = tuple(_output(path, content) for path, content in sorted(outputs.items()))
            digest = state_digest(rows)
            number = len(self._commits)
            revision = revision or hashlib.sha256(f"{number} {digest}".encode()).hexdigest()[:40]
            self._commits[revision] = PipelineCommit(
                revision=revision, state_digest=digest, outputs=rows
            )
            for row in rows:
                content = outputs[row.path]
                if row.digest is not None and content is not None:
                    self._objects[row.digest] = content
            return revision

    def delete_commit(self, revision: str) -> None:
        """Let git have deleted it."""
        with self._lock:
            del self._commits[revision]

    def orphan(self, revision: str) -> None:
        """Delete the last branch that leads to it."""
        with self._lock:
            self._unreachable.add(revision)

    def write_object(self, digest: str, content: bytes | None) -> None:
        """Replace the object behind a digest, wherever it is, or remove it."""
        with self._lock:
            if content is None:
                self._objects.pop(digest, None)
            else:
                self._objects[digest] = content

    def _problems(self, output: PipelineOutput, *, hashing: bool) -> list[str]:
        label = repr(output.path)
        if output.digest is None:
            return [f"{label} has no hash: it was never made, or its lock was not committed"]
        content = self._objects.get(output.digest)
        if content is None:
            return [f"{label} is not in the cache"]
        if len(content) != output.size:
            return [f"{label} is corrupt in the cache (it has {len(content)} bytes)"]
        if hashing and _digest(content) != output.digest:
            return [f"{label} is corrupt in the cache (its hash is {_digest(content)})"]
        return []

    def _answer(self) -> None:
        if self.down:
            raise PlaneUnavailableError(plane=self._name, what="its repository cannot be read")


def _output(path: str, content: bytes | None) -> PipelineOutput:
    return PipelineOutput(
        path=path,
        algorithm=MD5,
        digest=None if content is None else _digest(content),
        size=None if content is None else len(content),
        files=None,
        cached=True,
    )


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
