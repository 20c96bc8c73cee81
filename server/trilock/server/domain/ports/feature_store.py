"""Where features are defined and served from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Event times, from `start` (inclusive) to `end` (exclusive), both aware."""

    start: datetime
    end: datetime


Progress = Callable[[str], None]
"""Called with one short line whenever there is something to tell; may raise to stop the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBounds:
    """How much of a fill is done at a time, and how much at most."""

    chunk: timedelta = timedelta(days=7)
    """Event times that are fed in one go; what was fed stays fed if the next go fails."""
    max_rows: int | None = None
    """Entities that one view may have online; None for any number."""


NO_BOUNDS: Final = FillBounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState:
    """How far the online table of one view is filled."""

    view: str
    rows: int | None
    """Entities in the online table; None where the online store cannot count."""
    fed_from: datetime | None
    """Start of the unbroken time up to `fed_until` that was fed; None if nothing was."""
    fed_until: datetime | None
    """End of the last materialization; None if there was none."""
    feedable: bool
    """Whether materializing leaves those marks; else it is fed by pushes, or with others."""
    cold: str = ""
    """Why materializing does not keep it warm; "" if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One entity and its values, in JSON types."""

    keys: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one view has online, beside what its offline source has."""

    view: str
    offline: int
    """Entities with a row in the window."""
    online: int
    """Entities in the online table."""
    sampled: int
    """How many of them were compared value by value."""
    differences: tuple[str, ...]
    """One line each, empty if they agree."""
    skipped: str = ""
    """Why it was not compared; "" if it was."""
    examples: tuple[Example, ...] = field(default=(), compare=False, repr=False)
    """A few entities with what their source has, for asking readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """What is known of a project whose tables are swapped."""

    holds: str
    """The project that the tables in it were staged in."""
    left: str
    """Where the tables went that were in it before; "" if there were none."""
    settled: bool
    """Whether the definitions followed the tables."""
    swapped: datetime
    """When the tables were swapped."""
    busy: tuple[str, ...]
    """Views that a job was feeding when they were swapped in; none once vouched for."""
    waiting: bool
    """Whether those jobs have not ended since."""
    verified: bool
    """Whether it is fed as it was when its values were last seen right."""


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

    def freeze(self, *, owner: str, projects: Mapping[str, str]) -> None:
        """Let nobody else define anything in *projects*, and in no other for *owner*.

        Whoever tries is told why, which is the value of each. Materializing goes on.
        Without projects it ends for *owner*, and once it has for all nothing stays of it.

        Raises:
            PreconditionError: The registry cannot do it, or a right is missing.
            PlaneUnavailableError: The registry does not answer; nothing was changed.
        """
        ...

    def frozen(self, *, owner: str) -> Mapping[str, str]:
        """Return the projects that are frozen for *owner*, and why.

        Raises:
            PreconditionError: The registry cannot do it.
            PlaneUnavailableError: The registry does not answer.
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
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        progress: Progress,
        bounds: FillBounds = NO_BOUNDS,
        resume: bool = False,
    ) -> tuple[ViewState, ...]:
        """Materialize *window* of every view of *project* into its online tables.

        Runs in a worker process with a time limit, because it runs user code.
        Interruptible without harm and safe to repeat: what was fed is on record after
        every chunk, and newer values are never overwritten with older ones, so a window
        that ends before a view's last feeding goes on until there.

        Args:
            capture: What the project defines.
            project: Which one.
            window: Event times.
            progress: Told what happens.
            bounds: How much at a time, and at most.
            resume: Leave out what is on record as fed; else it is fed again.

        Raises:
            NotReadyError: Views could not be fed, and why; all others were.
        """
        ...

    def compare(
        self, capture: FeatureCapture, *, project: str, window: Window, sample: int
    ) -> tuple[Comparison, ...]:
        """Return, for every view that can be fed, how its online table differs from its source.

        Runs in a worker process with a time limit. Of the entities that have a row in the
        time that was fed, all are counted, and *sample* are compared value by value.

        Args:
            capture: What the project defines.
            project: Which one.
            window: Event times that it was filled with; what is fed beyond them counts, too.
            sample: How many entities to compare.

        Raises:
            PreconditionError: The sources could not be read.
        """
        ...

    def in_place(self, capture: FeatureCapture, *, project: str) -> InPlace | None:
        """Return what is known of *project* in place; None if nothing was swapped in."""
        ...

    def swap(
        self,
        capture: FeatureCapture,
        *,
        source: str,
        project: str,
        leaves: FeatureCapture | None,
    ) -> None:
        """Make the tables of *source* those of *project*, by name; its definitions, too.

        What was there becomes the tables of the project it was staged in, with its
        watermarks. One transaction where registry and online store are one database;
        else the tables first. Idempotent. Waits 100 ms for a lock, and tries again.

        Args:
            capture: What *source* defines, and *project* then will.
            source: Where the tables are staged.
            project: The project that readers read.
            leaves: What *project* defined before, as far as it goes; None if nothing is known.

        Raises:
            ForeignEditError: *source* is not defined as captured.
            PreconditionError: Its tables are not there, or cannot be renamed.
            PlaneUnavailableError: Somebody holds a lock for long; nothing was changed.
        """
        ...

    def ask_reader(self, url: str, *, comparisons: Sequence[Comparison]) -> str:
        """Return how the feature server at *url* differs from the examples; "" if it does not.

        Takes 2 s at most for each view; one that does not answer differs.
        """
        ...

    def distrust(self, capture: FeatureCapture, *, project: str) -> None:
        """Set the watermarks of *project* back to when it was last vouched for, or swapped in.

        Whatever was recorded since may be a job's of another definition.
        """
        ...

    def vouch(self, capture: FeatureCapture, *, project: str) -> None:
        """Record that the values of *project* were just seen right, fed as it is."""
        ...

    def retire(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """Remove what was deployed: the captured objects of *project* and their online tables.

        Idempotent. What else is in the project stays, and is returned, one line each.

        Raises:
            ForeignEditError: The project has other definitions; nothing was removed.
        """
        ...

    def views(
        self, capture: FeatureCapture, *, project: str, count: bool = True
    ) -> tuple[ViewState, ...]:
        """Return how far every view of *capture* is filled in *project*, sorted by name.

        Without *count* no row is counted, so that it takes the same time however many
        there are.
        """
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
