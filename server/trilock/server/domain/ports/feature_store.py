"""Where features are defined and served from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Event times, from `start` (inclusive) to `end` (exclusive), both aware."""

    start: datetime
    end: datetime


Progress = Callable[[str], None]
"""Called with one short line whenever there is something to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """How far the online table of one view is filled."""

    view: str
    rows: int | None
    """Entities in the online table; None where the online store cannot count."""
    fed_from: datetime | None
    """Start of the first materialization; None if there was none."""
    fed_until: datetime | None
    """End of the last materialization; None if there was none."""
    feedable: bool
    """Whether materializing leaves those marks; else it is fed by pushes, or with others."""


class FeatureStore(Protocol):
    """Where features are defined and served from: one registry with its online store."""

    def capture_project(self, *, project: str, service: str) -> FeatureCapture:
        """Return the closure of *service* as *project* defines it now, in one consistent read.

        Raises:
            NotFoundError: There is no such project or service, or a view it names is gone.
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def capture_repository(
        self, *, repository: Path, revision: str, folder: str, service: str
    ) -> FeatureCapture:
        """Return the closure of *service* as the repository defines it at a commit.

        Nothing live is touched: the commit is checked out into a temporary
        folder and applied to a throwaway registry, in a worker process with a
        time limit, because that runs the repository's own Python.

        Args:
            repository: A git repository on this machine.
            revision: Full commit id.
            folder: The Feast repository's folder in it, with forward slashes; "" for the root.
            service: Name of a feature service.

        Raises:
            NotFoundError: There is no such commit, folder or service.
            PreconditionError: The repository's code raised, or took too long.
        """
        ...

    def describe(self, capture: FeatureCapture) -> tuple[RawObject, ...]:
        """Return the captured protos as JSON-like objects, for `trilock.compat`. Pure."""
        ...

    def definition(self, capture: FeatureCapture, *, project: str) -> str | None:
        """Return the definition digest of *capture*'s objects as *project* has them now.

        Equal to `capture.definition_digest` exactly when the project defines
        all of them as captured. None when the project has none of them.
        """
        ...

    def token(self, *, project: str) -> str:
        """Return a text that is another one after any change of *project*; cheap.

        It moves when nothing was defined anew, too: with materialization.
        """
        ...

    def differences(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """Return how *project* differs from *capture*, one line each; empty if it does not."""
        ...

    def deploy(self, capture: FeatureCapture, *, project: str, expected: str | None) -> None:
        """Make *project* define every object as captured: all or nothing, idempotent.

        Objects of the project that are not in the capture stay. Online tables
        that are missing are made.

        Args:
            capture: What to define.
            project: Where; made if it is not there.
            expected: What `definition` said when the plan was made; compared in the
                transaction that writes.

        Raises:
            ForeignEditError: The project has neither *expected* nor the capture.
            PlaneUnavailableError: The registry does not answer; nothing was changed.
        """
        ...

    def fill(
        self, capture: FeatureCapture, *, project: str, window: Window, progress: Progress
    ) -> tuple[ViewState, ...]:
        """Materialize *window* of every view of *project* into its online tables.

        Runs in a worker process with a time limit, because it runs user code.
        Interruptible without harm and safe to repeat.

        Raises:
            PreconditionError: The sources could not be read; the worker's last line says why.
        """
        ...

    def views(self, capture: FeatureCapture, *, project: str) -> tuple[ViewState, ...]:
        """Return how far every view of *capture* is filled in *project*, sorted by name."""
        ...

    def mirror(self, capture: FeatureCapture, *, source: str, project: str) -> None:
        """Make *project* equal to *source* for readers that do not resolve through trilock.

        Its definitions become those of *capture*, its online values and
        watermarks those of *source*; idempotent.

        Raises:
            PreconditionError: The online store cannot copy tables.
            PlaneUnavailableError: The registry or the online store does not answer.
        """
        ...
