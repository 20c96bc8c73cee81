"""Where features and models are made."""

from dataclasses import dataclass
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
