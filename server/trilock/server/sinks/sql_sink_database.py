"""A sink's database: fences that hold, and rows that go in and out whole.

Every call opens a connection of its own and can be repeated after a crash:
what was done is read from the fence row, which changes in the transaction
that does it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from trilock.client.sinks.layout import (
    RELEASE_COLUMN,
    EpochState,
    Shape,
    image_name,
    release_name,
    staging_name,
)
from trilock.client.sinks.session import ConflictError, LockTimeoutError, LostError, Session
from trilock.server.domain.errors import CannotUndoError, SinkError
from trilock.server.domain.sink import (
    MergeCounts,
    Sink,
    SinkColumn,
    StagedCount,
    StagedRows,
    UndoCounts,
)
from trilock.server.sinks import live_view
from trilock.server.sinks.catalog import Catalog, Table
from trilock.server.sinks.fences import Fence, Fences
from trilock.server.sinks.merge import Checkpoint, MergeStoppedError, merge_range
from trilock.server.sinks.sessions import session_of
from trilock.server.sinks.staged import NONE_STAGED, count_staged, staged_rows
from trilock.server.sinks.table_checks import alterations_of, problems_of
from trilock.server.sinks.undo import UndoUnavailableError, undo_range

_CLOSE_SECONDS: Final = 1.0
"""How long `close` waits for batches that are open."""
_MERGE_SECONDS: Final = 10.0
"""How long `merge` does: ending a batch makes its writer repeat it."""
_RANGE: Final = 100_000
_ATTEMPTS: Final = 20
_VIEW_ATTEMPTS: Final = 20
"""Each waits a moment only, so that no reader of the view waits longer."""


class SqlSinkDatabase:
    """Implements SinkDatabase.

    Args:
        catalog: The database.
        range_size: Keys that one transaction merges or undoes.
        checkpoint: Called at every place a crash must be survivable.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        range_size: int = _RANGE,
        checkpoint: Checkpoint = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._range_size = range_size
        self._checkpoint = checkpoint

    def inspect(self, *, table: str, keys: tuple[str, ...]) -> tuple[SinkColumn, ...]:
        """See SinkDatabase."""
        with self._session(table) as session:
            found = self._catalog.find(session, table=table, keys=keys)
            if found is None:
                raise SinkError(sink=table, problems=["there is no such table"])
            problems = problems_of(found, keys=keys) + self._catalog.missing_rights(session, found)
            if problems:
                raise SinkError(sink=table, problems=problems)
            return found.columns

    def add_release_column(self, *, table: str, keys: tuple[str, ...]) -> None:
        """See SinkDatabase."""
        with self._session(table) as session, session.transaction():
            found = self._catalog.find(session, table=table, keys=keys)
            if found is None:
                raise SinkError(sink=table, problems=["there is no such table"])
            if RELEASE_COLUMN not in {column.name for column in found.columns}:
                self._catalog.add_column(session, found, RELEASE_COLUMN)

    def set_live_view(self, sink: Sink) -> None:
        """See SinkDatabase."""
        with self._session(sink) as session:
            _patiently(lambda: self._set_live_view(session, sink))

    def show(self, sink: Sink, *, epoch: int) -> None:
        """See SinkDatabase."""
        with self._session(sink) as session, session.transaction():
            self._catalog.prepare(session)
            live_view.show(session, sink=str(sink.ref), epoch=epoch)

    def shown(self, sink: Sink) -> int | None:
        """See SinkDatabase."""
        with self._session(sink) as session:
            if not self._catalog.prepared(session):
                return None
            return live_view.shown(session, sink=str(sink.ref))

    def state(self, sink: Sink, *, epoch: int) -> EpochState | None:
        """See SinkDatabase."""
        with self._session(sink) as session:
            fence = self._fence(session, sink, epoch=epoch)
            return None if fence is None else fence.state

    def open_staged(self, sink: Sink, *, epoch: int) -> None:
        """See SinkDatabase."""
        with self._session(sink) as session:
            _patiently(lambda: self._open_staged(session, sink, epoch=epoch))

    def _open_staged(self, session: Session, sink: Sink, *, epoch: int) -> None:
        with session.transaction():
            self._catalog.prepare(session)
            fence = _fences(session, sink, epoch=epoch).read(lock=True)
            if fence is None:
                self._open(session, sink, epoch=epoch, state=EpochState.STAGED)
                if sink.live_view:
                    live_view.make_view(
                        self._catalog,
                        session,
                        self._current(session, sink, exact=True),
                        sink=str(sink.ref),
                    )
            elif fence.state not in {EpochState.STAGED, EpochState.MERGING}:
                raise SinkError(
                    sink=str(sink.ref), problems=[f"epoch {epoch} is {fence.state} already"]
                )

    def open_direct(self, sink: Sink, *, epoch: int) -> None:
        """See SinkDatabase."""
        with self._session(sink) as session, session.transaction():
            self._catalog.prepare(session)
            fence = _fences(session, sink, epoch=epoch).read(lock=True)
            if fence is None:
                self._open(session, sink, epoch=epoch, state=EpochState.DIRECT)
            elif fence.state in {EpochState.STAGED, EpochState.MERGING}:
                raise SinkError(
                    sink=str(sink.ref),
                    problems=[f"epoch {epoch} is {fence.state}: its rows have to be merged"],
                )

    def close(self, sink: Sink, *, epoch: int) -> None:
        """See SinkDatabase."""
        with self._session(sink) as session:
            fences = _fences(session, sink, epoch=epoch)
            with session.transaction():
                self._catalog.prepare(session)
                # A row even for an epoch that never was open: it never will be.
                if fences.insert(EpochState.CLOSED, shape=None):
                    return
                # New batches are turned away from here on, so that they cannot keep
                # the lock from us.
                fences.intend(EpochState.CLOSED)
            self._checkpoint("close:intended")

            def close() -> None:
                fence = fences.read(lock=True)
                if fence is not None and fence.state is EpochState.CLOSED:
                    fences.forget_intent(EpochState.CLOSED)
                else:
                    fences.set_state(EpochState.CLOSED)

            self._catalog.take_fence(session, close, patience=_CLOSE_SECONDS)

    def discard(self, sink: Sink, *, epoch: int) -> None:
        """See SinkDatabase."""
        self.close(sink, epoch=epoch)
        with self._session(sink) as session, session.transaction():
            fence = _fences(session, sink, epoch=epoch).read(lock=True)
            if fence is not None and fence.shape and self._has_staging(session, fence):
                staging = session.dialect.relation(fence.shape.staging)
                if not session.rows(f"SELECT 1 FROM {staging} LIMIT 1"):  # noqa: S608 - quoted
                    live_view.forget_epoch(self._catalog, session, fence.shape, sink=str(sink.ref))
                    self._catalog.drop(session, fence.shape, sink=str(sink.ref), epoch=epoch)

    def count_staged(self, sink: Sink, *, epoch: int) -> StagedCount:
        """See SinkDatabase."""
        with self._session(sink) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            if fence is None or not self._has_staging(session, fence):
                return StagedCount(rows=0)
            return count_staged(session, fence)

    def staged(self, sink: Sink, *, epoch: int) -> StagedRows:
        """See SinkDatabase."""
        with self._session(sink) as session, session.snapshot():
            fence = self._fence(session, sink, epoch=epoch)
            if fence is None or not self._has_staging(session, fence):
                return NONE_STAGED
            return staged_rows(session, fence)

    def merge(self, sink: Sink, *, epoch: int) -> MergeCounts:
        """See SinkDatabase."""
        with self._session(sink) as session:
            self._begin_merge(session, sink, epoch=epoch)
            fences = _fences(session, sink, epoch=epoch)
            fence = fences.read()
            if fence is not None and fence.shape and fence.state is EpochState.MERGING:
                self._merge_ranges(session, sink, fence.shape, fences=fences)
                fence = fences.read()
            assert fence is not None  # noqa: S101 - rows of fences are never deleted
            return fence.merge

    def undo(self, sink: Sink, *, epoch: int) -> UndoCounts:
        """See SinkDatabase."""
        with self._session(sink) as session:
            fences = _fences(session, sink, epoch=epoch)
            fence = self._fence(session, sink, epoch=epoch)
            if fence is None or fence.state is not EpochState.CLOSED:
                state = "not there" if fence is None else fence.state
                raise SinkError(
                    sink=str(sink.ref),
                    problems=[f"epoch {epoch} is {state}: it must be closed to be undone"],
                )
            if fence.shape and not fence.undone and not self._has_staging(session, fence):
                if fence.merged_through or fences.wrote_directly():
                    raise CannotUndoError(
                        sink=str(sink.ref), problems=[f"what epoch {epoch} wrote was purged"]
                    )
                return fence.undo
            try:
                complete = False
                while not complete:
                    with session.transaction():
                        complete = undo_range(
                            session, fences, size=self._range_size, checkpoint=self._checkpoint
                        )
                    self._checkpoint("undo:committed")
            except UndoUnavailableError as error:
                raise CannotUndoError(
                    sink=str(sink.ref),
                    problems=[
                        (
                            "undo is unavailable: it is append-only and has no text column "
                            f"{RELEASE_COLUMN!r} that says which rows are whose"
                        )
                    ],
                ) from error
            fence = fences.read()
            assert fence is not None  # noqa: S101 - rows of fences are never deleted
            return fence.undo

    def _open(self, session: Session, sink: Sink, *, epoch: int, state: EpochState) -> None:
        table = self._current(session, sink, exact=state is EpochState.STAGED)
        name = str(sink.ref)
        shape = Shape(
            table=table.relation,
            staging=type(table.relation)(
                schema=table.relation.schema,
                name=staging_name(table.relation.name, sink=name, epoch=epoch),
            ),
            image=session.dialect.image(image_name(sink=name, epoch=epoch)) if sink.keys else None,
            keys=sink.keys,
            columns=table.writable,
            release=release_name(name, epoch=epoch),
            triggers=table.triggers,
        )
        self._catalog.make(session, table, shape, sink=name, epoch=epoch)
        self._checkpoint("open:made")
        _fences(session, sink, epoch=epoch).insert(state, shape=shape)

    def _set_live_view(self, session: Session, sink: Sink) -> None:
        name = str(sink.ref)
        with session.transaction():
            table = self._current(session, sink, exact=True)
            if not sink.live_view:
                live_view.drop_view(self._catalog, session, table.relation, sink=name)
                return
            self._catalog.prepare(session)
            problems = live_view.problems_of_view(self._catalog, session, table, sink=name)
            if problems:
                raise SinkError(sink=name, problems=problems)
            live_view.make_view(self._catalog, session, table, sink=name)

    def _current(self, session: Session, sink: Sink, *, exact: bool) -> Table:
        """Return the sink's table.

        Raises:
            SinkError: It cannot be used, or *exact* and it was altered since it was registered.
        """
        table = self._catalog.find(session, table=sink.table, keys=sink.keys)
        if table is None:
            raise SinkError(sink=str(sink.ref), problems=[f"table {sink.table!r} is gone"])
        problems = problems_of(table, keys=sink.keys)
        if exact:
            problems += alterations_of(sink.columns, table.columns)
        if problems:
            raise SinkError(sink=str(sink.ref), problems=problems)
        return table

    def _begin_merge(self, session: Session, sink: Sink, *, epoch: int) -> None:
        """Make a STAGED epoch MERGING, with no batch open."""
        fence = self._fence(session, sink, epoch=epoch)
        if fence is None or fence.state is EpochState.CLOSED:
            state = "not open" if fence is None else "CLOSED"
            raise SinkError(
                sink=str(sink.ref), problems=[f"epoch {epoch} is {state}: nothing can be merged"]
            )
        if fence.state is EpochState.DIRECT:
            return
        self._current(session, sink, exact=True)
        if not self._has_staging(session, fence):
            raise SinkError(
                sink=str(sink.ref), problems=[f"the staging table of epoch {epoch} is gone"]
            )
        if fence.state is EpochState.MERGING:
            return
        fences = _fences(session, sink, epoch=epoch)
        with session.transaction():
            fences.intend(EpochState.MERGING)
        self._checkpoint("merge:intended")

        def begin() -> None:
            held = fences.read(lock=True)
            if held is not None and held.state is EpochState.STAGED:
                fences.set_state(EpochState.MERGING)

        try:
            self._catalog.take_fence(session, begin, patience=_MERGE_SECONDS)
        except LostError:
            with session.transaction():
                fences.forget_intent(EpochState.MERGING)
            raise
        self._checkpoint("merge:begun")

    def _merge_ranges(self, session: Session, sink: Sink, shape: Shape, *, fences: Fences) -> None:
        self._catalog.before_merge(session, shape)
        attempts, complete = 0, False
        while not complete:
            try:
                with session.transaction():
                    complete = merge_range(
                        session,
                        fences,
                        size=self._range_size,
                        careful=attempts > 0,
                        triggers=shape.triggers,
                        checkpoint=self._checkpoint,
                    )
                attempts = 0
            except ConflictError:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise
            except MergeStoppedError as error:
                raise SinkError(
                    sink=str(sink.ref), problems=["it was closed while it was merged"]
                ) from error
            self._checkpoint("merge:committed")

    def _has_staging(self, session: Session, fence: Fence) -> bool:
        return fence.shape is not None and self._catalog.exists(session, fence.shape.staging)

    def _fence(self, session: Session, sink: Sink, *, epoch: int) -> Fence | None:
        if not self._catalog.prepared(session):
            return None
        return _fences(session, sink, epoch=epoch).read()

    def _session(self, sink: Sink | str) -> AbstractContextManager[Session]:
        return session_of(self._catalog, sink if isinstance(sink, str) else str(sink.ref))


def _fences(session: Session, sink: Sink, *, epoch: int) -> Fences:
    return Fences(session, sink=str(sink.ref), epoch=epoch)


def _patiently(change: Callable[[], None]) -> None:
    """Call *change* again while readers of the live view hold it."""
    for _ in range(_VIEW_ATTEMPTS - 1):
        try:
            return change()
        except LockTimeoutError:
            continue
    return change()
