"""Writes that trilock can take back, and that stop when their release does.

Each batch is one transaction that holds the fence of its epoch. So a batch is
written whole, where the fence says, or not at all; and once the fence is
closed no batch of the epoch is written any more, however late it comes.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from trilock.client.errors import WriterFencedError
from trilock.client.sinks.connect import connect
from trilock.client.sinks.errors import (
    BatchIdReusedError,
    BatchRejectedError,
    SinkNotOpenError,
    SinkUnavailableError,
)
from trilock.client.sinks.layout import (
    RELEASE_COLUMN,
    EpochState,
    LayoutVersionError,
    Shape,
    release_number,
)
from trilock.client.sinks.rows import Batch, MalformedRowsError, Rows, to_batch
from trilock.client.sinks.session import (
    ConflictError,
    LostError,
    MissingTableError,
    RefusedError,
    Session,
)
from trilock.client.sinks.statements import BatchSql, FenceSql

Checkpoint = Callable[[str], None]
"""Named crash site. Does nothing in production; tests stop the writer in it."""

_CONNECT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05
_MAX_PAUSE_SECONDS: Final = 1.0


class _MergingError(Exception):
    """The epoch is being finalized: look again in a moment."""


class SinkWriter:
    """Writes batches to one sink, for one release.

    A context manager; opens its connection with the first batch. Threads may
    share one: their batches take turns.

    Args:
        url: `sqlite:///path` or `postgresql://...`, from the writer's own settings.
        sink: The sink's resource name, for example `models/delay/sinks/predictions`.
        epoch: Number of the release that writes, or a callable that says it before
            each batch.
        patience: Seconds a batch may wait for a finalize to end and for a database
            that does not answer.
        checkpoint: Called at every place where a writer may stop.
    """

    def __init__(
        self,
        url: str,
        *,
        sink: str,
        epoch: int | Callable[[], int],
        patience: float = 60.0,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        self._url = url
        self._sink = sink
        self._epoch = epoch
        self._patience = patience
        self._checkpoint = checkpoint
        self._session: Session | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection, after the batch that is being written. Another write opens it."""
        with self._turn:
            self._drop_session()

    def write(self, rows: Rows, *, batch_id: str | None = None) -> int:
        """Write one batch and return how many rows it has.

        A row replaces the row of the same key as a whole: columns that are not
        given get their default. A batch that is repeated is written once.

        Args:
            rows: Dicts, a pandas DataFrame or an Arrow table.
            batch_id: Names the batch within the epoch, so that a repeat after a crash
                of this process does no harm; without it, repeats within this call
                do none.

        Raises:
            WriterFencedError: The release was rolled back; do not retry.
            BatchRejectedError: The rows do not fit the table; do not retry.
            BatchIdReusedError: The batch id stands for a batch of another size.
            SinkNotOpenError: trilock has not opened the sink for this epoch.
            SinkUnavailableError: The database did not answer within `patience`, or the
                finalize took longer; repeat with the same batch id.
        """
        try:
            batch = to_batch(rows)
        except MalformedRowsError as error:
            raise BatchRejectedError(sink=self._sink, what=str(error)) from error
        epoch = self._epoch() if callable(self._epoch) else self._epoch
        with self._turn:
            return self._write(batch, epoch=epoch, batch_id=batch_id or uuid4().hex)

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _write(self, batch: Batch, *, epoch: int, batch_id: str) -> int:
        deadline = time.monotonic() + self._patience
        pause = _PAUSE_SECONDS
        while True:
            try:
                return self._attempt(batch, epoch=epoch, batch_id=batch_id)
            except MissingTableError as error:
                raise SinkNotOpenError(
                    sink=self._sink, epoch=epoch, found=f"the database says: {error}"
                ) from error
            except RefusedError as error:
                raise BatchRejectedError(sink=self._sink, what=str(error)) from error
            except LostError as error:
                # Whether the batch was written is unknown; its id makes a repeat harmless.
                self._drop_session()
                what = f"the database does not answer: {error}"
            except ConflictError as error:
                what = f"other writers were always faster: {error}"
            except _MergingError:
                what = f"epoch {epoch} is being finalized"
            if time.monotonic() + pause > deadline:
                raise SinkUnavailableError(sink=self._sink, what=what, batch_id=batch_id)
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def _attempt(self, batch: Batch, *, epoch: int, batch_id: str) -> int:
        if self._session is None:
            self._session = connect(
                self._url, name=f"trilock writer {self._sink}", timeout=_CONNECT_SECONDS
            )
        session = self._session
        fences = FenceSql(session.dialect)
        which = {"sink": self._sink, "epoch": epoch}
        with session.transaction():
            state, shape = self._enter(session, fences, epoch=epoch)
            self._checkpoint("entered")
            claim = {**which, "batch_id": batch_id, "rows": batch.size, "mode": state.value}
            number = session.rows(fences.claim, claim)
            if not number:
                ((written,),) = session.rows(fences.claimed, {**which, "batch_id": batch_id})
                if written != batch.size:
                    raise BatchIdReusedError(
                        sink=self._sink, batch_id=batch_id, rows=batch.size, written=written
                    )
            elif batch.size:
                self._fill(session, shape, batch)
                self._checkpoint("loaded")
                _apply(session, shape, state=state, number=number[0][0], size=batch.size)
            self._checkpoint("written")
        self._checkpoint("committed")
        return batch.size

    def _enter(self, session: Session, fences: FenceSql, *, epoch: int) -> tuple[EpochState, Shape]:
        """Hold the fence, and return where to write.

        Raises:
            WriterFencedError: It is closed.
            SinkNotOpenError: There is none, or another version of trilock made it.
        """
        which = {"sink": self._sink, "epoch": epoch}
        found = session.rows(fences.enter, which)
        if not found:
            intended = session.rows(fences.intended, which)
            if not intended:
                raise SinkNotOpenError(
                    sink=self._sink, epoch=epoch, found="its database has no fence for it"
                )
            state = EpochState(intended[0][0])
        else:
            state = EpochState(found[0][0])
        if state is EpochState.CLOSED:
            raise WriterFencedError(
                f"{self._sink} is closed for release {release_number(epoch)}: it was rolled back; "
                "nothing was written",
                metadata={"sink": self._sink, "epoch": str(epoch)},
            )
        if state is EpochState.MERGING or not found:
            raise _MergingError
        try:
            return state, Shape.from_json(found[0][1])
        except LayoutVersionError as error:
            raise SinkNotOpenError(sink=self._sink, epoch=epoch, found=str(error)) from error

    def _fill(self, session: Session, shape: Shape, batch: Batch) -> None:
        """Load the batch into *incoming*, if it fits.

        Raises:
            BatchRejectedError: It does not.
        """
        self._refuse_columns(shape, batch)
        stamped = RELEASE_COLUMN in shape.names
        columns = (*batch.columns, RELEASE_COLUMN) if stamped else batch.columns
        rows = ((*row, shape.release) for row in batch.read()) if stamped else batch.read()
        session.load(shape, columns=columns, rows=rows)

        sql = BatchSql(session.dialect, shape)
        for name, kind, query in sql.misfits():
            found = session.rows(query)
            if found:
                raise BatchRejectedError(
                    sink=self._sink, what=f"{found[0][0]!r} does not fit column {name!r}, {kind}"
                )
        if not shape.keys:
            return
        ((nulls,),) = session.rows(sql.null_key)
        if nulls:
            raise BatchRejectedError(
                sink=self._sink, what=f"{nulls} rows have a NULL in key {list(shape.keys)}"
            )
        twice = session.rows(sql.duplicate_key)
        if twice:
            key = dict(zip(shape.keys, twice[0], strict=True))
            raise BatchRejectedError(sink=self._sink, what=f"key {key} is in the batch twice")

    def _refuse_columns(self, shape: Shape, batch: Batch) -> None:
        problems = []
        unknown = [name for name in batch.columns if name not in shape.names]
        if RELEASE_COLUMN in batch.columns:
            problems.append(f"column {RELEASE_COLUMN!r} is trilock's to fill")
        if unknown:
            problems.append(
                f"column {', '.join(map(repr, unknown))} cannot be written; "
                f"the columns are {', '.join(map(repr, shape.names))}"
            )
        missing = [key for key in shape.keys if key not in batch.columns]
        if missing:
            problems.append(f"key column {', '.join(map(repr, missing))} is missing")
        if problems:
            raise BatchRejectedError(sink=self._sink, what="; ".join(problems))


def _apply(session: Session, shape: Shape, *, state: EpochState, number: int, size: int) -> None:
    """Take the batch from *incoming* to where *state* says.

    Raises:
        ConflictError: Somebody who knows no fence wrote the same keys in this moment.
    """
    sql = BatchSql(session.dialect, shape)
    if not shape.keys:
        session.execute(sql.append[state])
        return
    mode = {"mode": state.value, "number": number}
    if state is EpochState.STAGED:
        session.execute(sql.capture, mode)
        session.execute(sql.stage)
        return
    ((locked,),) = session.rows(sql.lock)
    session.execute(sql.capture, mode)
    ((known,),) = session.rows(sql.known)
    if known:
        session.execute(sql.recapture)
    session.execute(sql.stage)
    replaced = session.execute(sql.replace) if locked else 0
    inserted = session.execute(sql.insert) if locked < size else 0
    # Rows that were there are locked. One that came since would be replaced without
    # having been captured, and an undo would lose it.
    if (replaced, inserted) != (locked, size - locked):
        raise ConflictError("rows of the batch's keys appeared while it was written")
    if shape.triggers:
        session.execute(sql.resync)
