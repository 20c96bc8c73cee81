"""The writer for asyncio: the same promises, none of the waiting."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from trilock.client.sinks.rows import Rows
from trilock.client.sinks.writer import SinkWriter


class AsyncSinkWriter:
    """A `SinkWriter` whose batches are written in a thread. An async context manager.

    Args:
        url: See `SinkWriter`.
        sink: See `SinkWriter`.
        epoch: See `SinkWriter`; a callable is called in the thread.
        patience: See `SinkWriter`.
    """

    def __init__(
        self, url: str, *, sink: str, epoch: int | Callable[[], int], patience: float = 60.0
    ) -> None:
        self._writer = SinkWriter(url, sink=sink, epoch=epoch, patience=patience)

    async def __aenter__(self) -> Self:
        """Return the writer."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._writer.close)

    async def write(self, rows: Rows, *, batch_id: str | None = None) -> int:
        """Write one batch; see `SinkWriter.write`.

        A task that is cancelled meanwhile does not stop its batch: whether it was
        written is then known by repeating it with the same batch id.
        """
        return await asyncio.to_thread(self._writer.write, rows, batch_id=batch_id)
