"""What the database of a sink knows about each epoch: receipts, and rows held apart."""

from collections.abc import Iterator
from typing import Any

from trilock.client.sinks.layout import EpochState
from trilock.client.sinks.session import Session
from trilock.server.domain.errors import NotFoundError, SinkError
from trilock.server.domain.receipt import Receipt, WrittenRow
from trilock.server.domain.sink import Sink
from trilock.server.sinks import live_view
from trilock.server.sinks.catalog import Catalog
from trilock.server.sinks.fences import Fence, Fences
from trilock.server.sinks.receipt import backfill_sql, count_rows, read_totals, stream_rows
from trilock.server.sinks.sessions import session_of
from trilock.server.sinks.staged import stream_staged


class SqlSinkRecords:
    """Implements SinkRecords."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def receipt(self, sink: Sink, *, epoch: int) -> Receipt:
        """See SinkRecords."""
        with session_of(self._catalog, str(sink.ref)) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            written = read_totals(session, sink=str(sink.ref), epoch=epoch)
            shape = fence.shape
            return Receipt(
                written=written,
                rows=count_rows(session, fence, direct=written.direct_rows > 0),
                columns=(shape.keys or shape.names) if shape else (),
                backfill_sql=backfill_sql(session.dialect, shape) if shape else "",
            )

    def written(self, sink: Sink, *, epoch: int) -> Iterator[WrittenRow]:
        """See SinkRecords."""
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
        """See SinkRecords."""
        with session_of(self._catalog, str(sink.ref)) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            names = fence.shape.names if fence.shape else ()
            for row in stream_staged(session, fence):
                yield dict(zip(names, row, strict=True))

    def purge(self, sink: Sink, *, epoch: int) -> bool:
        """See SinkRecords."""
        name = str(sink.ref)
        with session_of(self._catalog, name) as session, session.transaction():
            if not self._catalog.prepared(session):
                return False
            fence = _fences(session, sink, epoch=epoch).read(lock=True)
            if fence is None or fence.shape is None:
                return False
            if fence.state is not EpochState.CLOSED:
                raise SinkError(sink=name, problems=[f"epoch {epoch} is {fence.state}"])
            there = self._catalog.exists(session, fence.shape.staging)
            live_view.forget_epoch(self._catalog, session, fence.shape, sink=name)
            self._catalog.drop(session, fence.shape, sink=name, epoch=epoch)
            return there

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
