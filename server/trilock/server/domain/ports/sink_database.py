"""Where models write to."""

from typing import Protocol

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.sink import (
    MergeCounts,
    Sink,
    SinkColumn,
    StagedCount,
    StagedRows,
    UndoCounts,
)


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

    def add_release_column(self, *, table: str, keys: tuple[str, ...]) -> None:
        """Add the column that says which rows are whose, if it is not there.

        Raises:
            SinkError: There is no such table, or it may not be altered.
            PlaneUnavailableError: The database does not answer, or others hold the table.
        """
        ...

    def set_live_view(self, sink: Sink) -> None:
        """Make `<table>_live`, or drop it, as *sink* says. Idempotent.

        It is the table overlaid with what the shown epoch stages.

        Raises:
            SinkError: Something else has its name.
        """
        ...

    def show(self, sink: Sink, *, epoch: int) -> None:
        """Have the live view show what *epoch* stages, and nothing else's. Idempotent."""
        ...

    def shown(self, sink: Sink) -> int | None:
        """Return the epoch that the live view shows while it is staged; None for none yet."""
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

    def count_staged(self, sink: Sink, *, epoch: int) -> StagedCount:
        """Return how many rows *epoch* holds apart from the table, without reading them."""
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
