"""The fence rows: what each epoch may do, and how far merge and undo are."""

# Every value is a parameter; what is formatted in is the names of trilock's own tables.
# ruff: noqa: S608

from dataclasses import dataclass
from typing import Final

from trilock.client.sinks.apart import Progress
from trilock.client.sinks.layout import EpochState, Shape
from trilock.client.sinks.session import Session
from trilock.server.domain.sink import MergeCounts, UndoCounts

_COLUMNS: Final = (
    "f.state, f.shape, f.merged_through, f.merged, f.replaced, f.merge_kept, "
    "f.undone_through, f.removed, f.restored, f.undo_kept, f.undone"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fence row."""

    state: EpochState
    shape: Shape | None
    """None if the epoch was closed before it was ever open."""
    merged_through: int
    """Image rows up to this one were merged; 1 for a merged append-only sink."""
    merge: MergeCounts
    undone_through: int
    undo: UndoCounts
    undone: bool
    """Whether the undo is complete."""

    @property
    def progress(self) -> Progress:
        """How far merge and undo are, in the words of the writers' side."""
        return Progress(
            merged_through=self.merged_through,
            undone_through=self.undone_through,
            undone=self.undone,
        )


class Fences:
    """The fence row of one sink and epoch, read and written in the caller's transaction."""

    def __init__(self, session: Session, *, sink: str, epoch: int) -> None:
        self._session = session
        dialect = session.dialect
        self._which = {"sink": sink, "epoch": epoch}
        self._fence = dialect.own("fence")
        self._intent = dialect.own("intent")
        self._batch = dialect.own("batch")
        self._param = dialect.param
        self._where = f"sink = {dialect.param('sink')} AND epoch = {dialect.param('epoch')}"

    def read(self, *, lock: bool = False) -> Fence | None:
        """Return the row, or None; with *lock* nobody else gets it in this transaction."""
        dialect = self._session.dialect
        found = self._session.rows(
            f"SELECT {_COLUMNS} FROM {self._fence} f WHERE {self._where} "
            + (dialect.exclusive if lock else ""),
            self._which,
        )
        if not found:
            return None
        state, shape, through, merged, replaced, kept, *undo = found[0]
        undone_through, removed, restored, left, undone = undo
        return Fence(
            state=EpochState(state),
            shape=Shape.from_json(shape) if shape else None,
            merged_through=through,
            merge=MergeCounts(merged=merged, replaced=replaced, kept=kept),
            undone_through=undone_through,
            undo=UndoCounts(removed=removed, restored=restored, kept=left),
            undone=bool(undone),
        )

    def insert(self, state: EpochState, *, shape: Shape | None) -> bool:
        """Add the row and return whether there was none."""
        param = self._param
        return bool(
            self._session.execute(
                f"INSERT INTO {self._fence} (sink, epoch, state, shape, opened) VALUES "
                f"({param('sink')}, {param('epoch')}, {param('state')}, {param('shape')}, "
                f"{self._session.dialect.now}) ON CONFLICT (sink, epoch) DO NOTHING",
                {**self._which, "state": state.value, "shape": shape and shape.to_json()},
            )
        )

    def set_state(self, state: EpochState) -> None:
        """Change what writers are told; what was intended has then happened."""
        closed = f", closed = {self._session.dialect.now}" if state is EpochState.CLOSED else ""
        self._session.execute(
            f"UPDATE {self._fence} SET state = {self._param('state')}{closed} WHERE {self._where}",
            {**self._which, "state": state.value},
        )
        self._session.execute(f"DELETE FROM {self._intent} WHERE {self._where}", self._which)

    def intend(self, state: EpochState) -> None:
        """Turn new batches away; those that are open go on."""
        param = self._param
        self._session.execute(
            f"INSERT INTO {self._intent} (sink, epoch, state) VALUES "
            f"({param('sink')}, {param('epoch')}, {param('state')}) "
            # A close is for good; a merge that comes late must not hide it.
            f"ON CONFLICT (sink, epoch) DO UPDATE SET state = CASE WHEN {self._intent}.state = "
            f"'{EpochState.CLOSED}' THEN '{EpochState.CLOSED}' ELSE excluded.state END",
            {**self._which, "state": state.value},
        )

    def forget_intent(self, state: EpochState) -> None:
        """Let batches in again, as far as the fence does, if *state* is what was intended."""
        self._session.execute(
            f"DELETE FROM {self._intent} WHERE {self._where} AND state = {self._param('state')}",
            {**self._which, "state": state.value},
        )

    def note_merge(self, *, through: int, add: MergeCounts) -> None:
        """Add to what the merge did, which is now complete up to image row *through*."""
        param = self._param
        self._session.execute(
            f"UPDATE {self._fence} SET merged_through = {param('through')}, "
            f"merged = merged + {param('merged')}, replaced = replaced + {param('replaced')}, "
            f"merge_kept = merge_kept + {param('kept')} WHERE {self._where}",
            {
                **self._which,
                "through": through,
                "merged": add.merged,
                "replaced": add.replaced,
                "kept": add.kept,
            },
        )

    def note_undo(self, *, through: int, add: UndoCounts) -> None:
        """Add to what the undo did, which is now complete up to image row *through*."""
        param = self._param
        self._session.execute(
            f"UPDATE {self._fence} SET undone_through = {param('through')}, "
            f"removed = removed + {param('removed')}, restored = restored + {param('restored')}, "
            f"undo_kept = undo_kept + {param('kept')} WHERE {self._where}",
            {
                **self._which,
                "through": through,
                "removed": add.removed,
                "restored": add.restored,
                "kept": add.kept,
            },
        )

    def finish_undo(self) -> None:
        """Note that the undo is complete."""
        self._session.execute(
            f"UPDATE {self._fence} SET undone = 1 WHERE {self._where}", self._which
        )

    def others(self) -> list[tuple[int, Shape]]:
        """Return the other epochs of the sink that were ever open, the newest first."""
        found = self._session.rows(
            f"SELECT f.epoch, f.shape FROM {self._fence} f WHERE f.sink = {self._param('sink')} "
            f"AND f.epoch <> {self._param('epoch')} AND f.shape IS NOT NULL ORDER BY f.epoch DESC",
            self._which,
        )
        return [(epoch, Shape.from_json(shape)) for epoch, shape in found]

    def wrote_directly(self) -> bool:
        """Return whether any batch of the epoch went to the table itself."""
        return bool(
            self._session.rows(
                f"SELECT 1 FROM {self._batch} WHERE {self._where} "
                f"AND mode = '{EpochState.DIRECT}' AND rows > 0 LIMIT 1",
                self._which,
            )
        )


def own_tables(own: str, *, number: str, moment: str) -> list[str]:
    """Return the statements that make trilock's own tables.

    Args:
        own: Template of a table's name; `{}` stands for it.
        number: Declaration of a column that the database numbers.
        moment: Type of a column with a time.
    """
    counter = "bigint NOT NULL DEFAULT 0"
    return [
        (
            f"CREATE TABLE IF NOT EXISTS {own.format('fence')} (sink text NOT NULL, "
            f"epoch bigint NOT NULL, state text NOT NULL, shape text, opened {moment} NOT NULL, "
            f"closed {moment}, merged_through {counter}, merged {counter}, replaced {counter}, "
            f"merge_kept {counter}, undone_through {counter}, removed {counter}, "
            f"restored {counter}, undo_kept {counter}, undone {counter}, PRIMARY KEY (sink, epoch))"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS {own.format('intent')} (sink text NOT NULL, "
            "epoch bigint NOT NULL, state text NOT NULL, PRIMARY KEY (sink, epoch))"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS {own.format('shown')} "
            "(sink text NOT NULL PRIMARY KEY, epoch bigint NOT NULL)"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS {own.format('batch')} (number {number}, "
            "sink text NOT NULL, epoch bigint NOT NULL, batch_id text NOT NULL, "
            f"rows bigint NOT NULL, mode text NOT NULL, written {moment} NOT NULL, "
            "UNIQUE (sink, epoch, batch_id))"
        ),
    ]
