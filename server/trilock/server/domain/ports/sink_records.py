"""What the database of a sink remembers of each release that wrote to it."""

from collections.abc import Iterator
from typing import Any, Protocol

from trilock.server.domain.receipt import Receipt, WrittenRow
from trilock.server.domain.sink import Sink


class SinkRecords(Protocol):
    """Reads what was recorded of epochs, and deletes it when it has served.

    Every method raises NotFoundError for an epoch that never was open, SinkError
    for one that was purged, and PlaneUnavailableError when nobody answers.
    """

    def receipt(self, sink: Sink, *, epoch: int) -> Receipt:
        """Return what *epoch* wrote, in numbers."""
        ...

    def written(self, sink: Sink, *, epoch: int) -> Iterator[WrittenRow]:
        """Yield each row that *epoch* wrote, all as of one moment, in key order.

        Of an append-only sink only those that can be told from others: held apart, or
        marked by a release column.
        """
        ...

    def held_apart(self, sink: Sink, *, epoch: int) -> Iterator[dict[str, Any]]:
        """Yield the rows that are staged or in quarantine, in key order, ready to be replayed."""
        ...

    def purge(self, sink: Sink, *, epoch: int) -> bool:
        """Delete what is kept of a closed epoch, which can then not be undone. Idempotent.

        Returns:
            Whether there was anything to delete.

        Raises:
            SinkError: The epoch is not closed.
        """
        ...
