"""What trilock needs of the outside systems: the planes, and the sinks.

Each port has a conformance suite in tests/conformance, which runs against the
real system and against the in-memory fake. All methods block; the caller
bounds the number of threads. Everything that can hang has its own time limit
and raises PlaneUnavailableError when it is over; a write that ended so is
*unknown*, and is settled by looking again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture, ModelVersion, PipelineCommit
from trilock.server.domain.names import AliasRef
from trilock.server.domain.sink import (
    EpochState,
    MergeCounts,
    Sink,
    SinkColumn,
    StagedRows,
    UndoCounts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Event times, from `start` (inclusive) to `end` (exclusive), both aware."""

    start: datetime
    end: datetime


class ModelRegistry(Protocol):
    """Where model versions live, and which version an alias points at."""

    def capture(self, *, model: str, version: str) -> ModelVersion:
        """Return what *version* of *model* is now.

        Raises:
            NotFoundError: The model, the version or its MLmodel file is not there.
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def verify(self, captured: ModelVersion) -> tuple[str, ...]:
        """Return how the registry differs from *captured*; empty if it does not.

        Raises:
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def alias(self, *, model: str, alias: str) -> str | None:
        """Return the version *alias* points at, or None.

        Raises:
            NotFoundError: There is no such model.
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def set_alias(self, *, model: str, alias: str, version: str | None) -> None:
        """Point *alias* at *version*, or remove it, and read it back. Idempotent.

        Raises:
            NotFoundError: There is no such model or version.
            ForeignEditError: Somebody else moved it at the same time.
            PlaneUnavailableError: No answer; whether it was set is unknown.
        """
        ...


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


class SinkDatabase(Protocol):
    """The database that holds sinks, and beside them fences, staging tables and undo images."""

    def inspect(self, *, table: str, keys: tuple[str, ...]) -> tuple[SinkColumn, ...]:
        """Return the columns of *table*, if it can be a sink.

        Raises:
            SinkError: It is not there, the keys are not unique columns of it, or a right
                is missing. All problems are listed.
            PlaneUnavailableError: The database does not answer.
        """
        ...

    def state(self, sink: Sink, *, epoch: int) -> EpochState | None:
        """Return what the fence says to writers of *epoch*; None if it has no row."""
        ...

    def open_staged(self, sink: Sink, *, epoch: int) -> None:
        """Make the staging table and the fence row of *epoch*. Idempotent.

        Raises:
            SinkError: The table was altered since it was registered, or *epoch* is closed.
        """
        ...

    def open_direct(self, sink: Sink, *, epoch: int) -> None:
        """Let writers of *epoch* write to the table itself. Idempotent; a closed one stays so."""
        ...

    def close(self, sink: Sink, *, epoch: int) -> None:
        """Fence the writers of *epoch* for good. Idempotent.

        When it returns no batch of the epoch is open and none can begin: it
        waits 1 s for those that are, then ends their sessions.
        """
        ...

    def discard(self, sink: Sink, *, epoch: int) -> None:
        """Take back `open_staged` of a release that never went live; its epoch stays closed."""
        ...

    def staged(self, sink: Sink, *, epoch: int) -> StagedRows:
        """Return what *epoch* holds apart from the table, staged or quarantined."""
        ...

    def merge(self, sink: Sink, *, epoch: int) -> MergeCounts:
        """Move the staged rows into the table, keep an undo image, then open the epoch DIRECT.

        Resumable and idempotent: after a crash the same call finishes the
        rest and returns the counts of the whole.
        """
        ...

    def undo(self, sink: Sink, *, epoch: int) -> UndoCounts:
        """Take the rows of a closed epoch out of the table again. Idempotent.

        Restores exactly the rows that the epoch wrote and nobody wrote since.

        Raises:
            CannotUndoError: Nothing tells which rows those are, and nothing ever will.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The outside systems of one model, as the settings name them."""

    registry: ModelRegistry
    registered_model: str
    """The model's name in the registry."""
    features: FeatureStore
    base_project: str
    """The Feast project that candidates are captured from."""
    mirror_project: str | None
    """The live project that is kept equal to the live bundle; None for none."""
    pipeline: Pipeline
    repository: Path
    """The git repository of the pipeline, for `capture_repository`."""
    repository_folder: str
    """The Feast repository's folder in it."""


class Connections(Protocol):
    """Every outside system the settings name, made on first use."""

    def models(self) -> tuple[str, ...]:
        """Return the names of the models in the settings, sorted."""
        ...

    def has_mirror(self, alias: AliasRef) -> bool:
        """Return whether the settings name a mirror project for *alias*; opens nothing.

        At most one alias of a model has it. False for a model that is not in them
        (any more): a rollback needs no settings (I7), so it must not be stopped by them.
        """
        ...

    def planes(self, model: str) -> Planes:
        """Return the planes of *model*.

        Raises:
            UnknownConnectionError: The settings have no such model.
        """
        ...

    def sink_database(self, connection: str) -> SinkDatabase:
        """Return the database behind *connection*.

        Raises:
            UnknownConnectionError: The settings have no such connection for sinks.
        """
        ...
