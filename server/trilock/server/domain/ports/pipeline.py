"""Where features and models are made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trilock.server.domain.bundle import PipelineCommit


@dataclass(frozen=True, slots=True, kw_only=True)
class Restorability:
    """Whether everything a commit recorded can still be had."""

    problems: tuple[str, ...]
    """One line each, empty if all is there; names the output."""
    objects: int
    """How many objects were looked for."""
    hashed: bool
    """Whether the content was hashed, or only looked for."""
    unchecked: tuple[str, ...] = ()
    """Those of the problems that are none if a remote that cannot be looked at has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change of a repository, as `git apply` takes it."""

    head: str
    """The full id of the commit that it is for."""
    revision: str
    """The commit that it leads to."""
    text: bytes
    """Empty if they agree."""


class Pipeline(Protocol):
    """The git repository, with DVC, that makes features and models."""

    def capture(self, revision: str) -> PipelineCommit:
        """Return the DVC state that commit *revision* recorded. No working tree is touched.

        Raises:
            InvalidNameError: *revision* is not a full commit id.
            NotFoundError: There is no such commit (shallow clones are told apart).
            PreconditionError: Its lock files cannot be read.
        """
        ...

    def verify(self, captured: PipelineCommit, *, hashing: bool = False) -> Restorability:
        """Return whether the commit is reachable and all its outputs are in cache or remote."""
        ...

    def stale(self, captured: PipelineCommit) -> tuple[str, ...]:
        """Return where the commit's locks are not of its own code, one line each.

        What was committed without running the pipeline again: a rebuild would give
        other outputs than those that were recorded.

        Raises:
            NotFoundError: There is no such commit.
        """
        ...

    def restore(self, captured: PipelineCommit, *, into: Path) -> None:
        """Make the folder *into* with every output in it, hashed while it is copied.

        All or nothing: a corrupt object is never delivered. What only DVC can reach is
        fetched by DVC, in a process of its own, and hashed like the rest.

        Raises:
            NotReadyError: Outputs are missing or corrupt; each is named.
            AlreadyExistsError: There is something at *into*.
        """
        ...

    def patch(self, *, head: str | None, revision: str, folder: str) -> Patch:
        """Return what makes *folder* at commit *head* as it is at *revision*.

        Args:
            head: A full commit id; None for the HEAD of the repository.
            revision: A full commit id.
            folder: With forward slashes; "" for everything.

        Raises:
            InvalidNameError: One of them is not a full commit id.
            NotFoundError: There is no such commit.
            PreconditionError: The patch would be too large.
        """
        ...


class Workspace(Protocol):
    """A folder in which the outputs of one pipeline commit are, behind a link `current`."""

    def current(self) -> str | None:
        """Return the commit whose outputs are there; None if there are none."""
        ...

    def checkout(self, captured: PipelineCommit) -> str:
        """Restore the outputs into a fresh folder, then switch the link to it at once.

        Returns:
            The name of the folder.

        Raises:
            NotReadyError: Outputs are missing or corrupt; the link is as it was.
            PreconditionError: The folder cannot be written to.
        """
        ...
