"""What the database of a sink knows about each epoch: receipts, and rows held apart."""

from collections.abc import Iterator
from typing import Any

from trilock.client.sinks.layout import EpochState
from trilock.client.sinks.session import Session
from trilock.server.domain.errors import NotFoundError, SinkError
from trilock.server.domain.sink import Sink
from trilock.server.sinks.catalog import Catalog
from trilock.server.sinks.fences import Fence, Fences
from trilock.server.sinks.receipt import (
    Receipt,
    WrittenRow,
    backfill_sql,
    count_rows,
    read_batches,
    stream_rows,
)
from trilock.server.sinks.sessions import session_of
from trilock.server.sinks.staged import stream_staged


class SinkRecords:
    """Reads what was recorded of epochs, and deletes it when it has served.

    Every method raises NotFoundError for an epoch that never was open, SinkError
    for one that was purged, and PlaneUnavailableError when nobody answers.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def receipt(self, sink: Sink, *, epoch: int) -> Receipt:
        """Return what *epoch* wrote, in numbers."""
        with session_of(self._catalog, str(sink.ref)) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            batches = read_batches(session, sink=str(sink.ref), epoch=epoch)
            direct = any(batch.direct and batch.rows for batch in batches)
            return Receipt(batches=batches, rows=count_rows(session, fence, direct=direct))

    def written(self, sink: Sink, *, epoch: int) -> Iterator[WrittenRow]:
        """Yield each row that *epoch* wrote, in key order; none for an append-only sink."""
        with session_of(self._catalog, str(sink.ref)) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            others = [
                (number, shape)
                for number, shape in _fences(session, sink, epoch=epoch).others()
                if fence.shape
                and shape.names == fence.shape.names
                and self._catalog.exists(session, shape.staging)
            ]
            yield from stream_rows(session, fence, others=others)

    def held_apart(self, sink: Sink, *, epoch: int) -> Iterator[dict[str, Any]]:
        """Yield the rows that are staged or in quarantine, in key order, ready to be replayed."""
        with session_of(self._catalog, str(sink.ref)) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            names = fence.shape.names if fence.shape else ()
            for row in stream_staged(session, fence):
                yield dict(zip(names, row, strict=True))

    def backfill_sql(self, sink: Sink, *, epoch: int) -> str:
        """Return a query for what a backfill has to redo after *epoch*."""
        with session_of(self._catalog, str(sink.ref)) as session:
            fence = self._fence(session, sink, epoch=epoch)
            return backfill_sql(session.dialect, fence.shape) if fence.shape else ""

    def purge(self, sink: Sink, *, epoch: int) -> None:
        """Delete the rows that are kept of a closed epoch; it can then not be undone. Idempotent.

        Raises:
            SinkError: The epoch is not closed.
        """
        name = str(sink.ref)
        with session_of(self._catalog, name) as session, session.transaction():
            fence = _fences(session, sink, epoch=epoch).read(lock=True)
            if fence is None or fence.shape is None:
                return
            if fence.state is not EpochState.CLOSED:
                raise SinkError(sink=name, problems=[f"epoch {epoch} is {fence.state}"])
            self._catalog.drop(session, fence.shape, sink=name, epoch=epoch)

    def _fence(self, session: Session, sink: Sink, *, epoch: int) -> Fence:
        name = f"epoch {epoch} of {sink.ref}"
        found = self._catalog.prepared(session)
        fence = _fences(session, sink, epoch=epoch).read() if found else None
        if fence is None:
            raise NotFoundError(name)
        if fence.shape and not self._catalog.exists(session, fence.shape.staging):
            raise SinkError(sink=str(sink.ref), problems=[f"epoch {epoch} was purged"])
        return fence


def _fences(session: Session, sink: Sink, *, epoch: int) -> Fences:
    return Fences(session, sink=str(sink.ref), epoch=epoch)
