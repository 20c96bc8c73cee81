"""What can go wrong in a write to a sink, as types to catch.

trilock.client.errors.TrilockError
├── SinkWriteError           nothing of the batch was written
│   ├── BatchRejectedError   the rows do not fit the table
│   ├── BatchIdReusedError   the batch id stands for another batch
│   ├── SinkNotOpenError     trilock has not opened the sink for this epoch
│   └── SinkUnavailableError the database does not answer, or the epoch is being finalized
└── PreconditionError
    └── WriterFencedError    the release was rolled back; defined in trilock.client.errors
"""

from typing import ClassVar

from trilock.client.errors import TrilockError


class SinkWriteError(TrilockError):
    """A batch was not written: not one row of it."""

    default_reason: ClassVar[str] = "SINK_UNUSABLE"


class BatchRejectedError(SinkWriteError):
    """The rows do not fit the table. Do not retry."""

    default_reason = "INVALID_ARGUMENT"

    def __init__(self, *, sink: str, what: str) -> None:
        super().__init__(f"{sink}: {what}; nothing was written", metadata={"sink": sink})
        self.sink = sink
        self.what = what


class BatchIdReusedError(SinkWriteError):
    """The batch id was used for a batch of another size."""

    default_reason = "REQUEST_ID_REUSED"

    def __init__(self, *, sink: str, batch_id: str, rows: int, written: int) -> None:
        super().__init__(
            f"{sink}: batch {batch_id!r} was written with {written} rows, this one has {rows}; "
            "use a new batch id",
            metadata={"sink": sink, "batch_id": batch_id},
        )
        self.batch_id = batch_id


class SinkNotOpenError(SinkWriteError):
    """trilock has not opened the sink for this epoch in this database."""

    def __init__(self, *, sink: str, epoch: int, found: str) -> None:
        super().__init__(
            f"{sink} is not open for epoch {epoch}: {found}",
            metadata={"sink": sink, "epoch": str(epoch)},
        )
        self.sink = sink
        self.epoch = epoch


class SinkUnavailableError(SinkWriteError):
    """No answer in time. Repeat the batch with its batch id: it is written once."""

    default_reason = "UNAVAILABLE"

    def __init__(self, *, sink: str, what: str, batch_id: str) -> None:
        super().__init__(
            f"{sink}: {what}; repeat batch {batch_id!r}",
            metadata={"sink": sink, "batch_id": batch_id},
        )
        self.sink = sink
        self.batch_id = batch_id
