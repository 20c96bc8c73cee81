"""What differs between the databases beyond the text of statements.

A `Catalog` looks tables up, makes and drops them, and takes a fence from
whoever holds it; everything else in this package is the same for both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from trilock.client.sinks.layout import Relation, Shape, ShapeColumn
from trilock.client.sinks.session import Session
from trilock.server.domain.sink import SinkColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the database has it now."""

    relation: Relation
    columns: tuple[SinkColumn, ...]
    writable: tuple[ShapeColumn, ...]
    """Those that a writer may give a value to: not generated, and no id that the
    database gives out, unless it is a key."""
    unique: frozenset[frozenset[str]]
    """Sets of columns that a unique index without a condition covers."""
    triggers: bool
    problems: tuple[str, ...]
    """Why it can be no sink, whatever the keys."""


class Catalog(Protocol):
    """One database: how to reach it, and its tables."""

    plane: str
    """What errors call it; no secret in it."""

    def connect(self) -> Session:
        """Return a new connection.

        Raises:
            LostError: No answer within 2 s.
        """
        ...

    def find(self, session: Session, *, table: str, keys: tuple[str, ...]) -> Table | None:
        """Return *table* as it is now, or None."""
        ...

    def missing_rights(self, session: Session, table: Table) -> list[str]:
        """Return what this connection may not do and would have to."""
        ...

    def prepare(self, session: Session) -> None:
        """Make trilock's own tables, if they are not there."""
        ...

    def prepared(self, session: Session) -> bool:
        """Return whether trilock's own tables are there."""
        ...

    def make(self, session: Session, table: Table, shape: Shape, *, sink: str, epoch: int) -> None:
        """Make what one epoch needs; whoever may write the table may write that.

        Raises:
            RefusedError: The database cannot make a table of the same shape.
        """
        ...

    def drop(self, session: Session, shape: Shape, *, sink: str, epoch: int) -> None:
        """Drop what `make` made. Idempotent."""
        ...

    def exists(self, session: Session, relation: Relation) -> bool:
        """Return whether the table is there."""
        ...

    def add_column(self, session: Session, table: Table, name: str) -> None:
        """Add a column of text to the user's table. In a transaction.

        Raises:
            RefusedError: It may not.
            LockTimeoutError: Others hold the table.
        """
        ...

    def view_owner(self, session: Session, view: Relation) -> str | None:
        """Return the sink whose live view *view* is; None if it is not there, or not ours."""
        ...

    def make_view(
        self,
        session: Session,
        view: Relation,
        query: str,
        *,
        columns: Sequence[str],
        sink: str,
        table: Relation,
    ) -> None:
        """Make, or replace, the live view of *sink*; whoever may read the table may read it.

        Raises:
            LockTimeoutError: Readers hold the old one.
        """
        ...

    def drop_view(self, session: Session, view: Relation) -> None:
        """Drop a live view. Idempotent."""
        ...

    def before_merge(self, session: Session, shape: Shape) -> None:
        """Tell the database to look at what was staged, so that it merges by the best plan."""
        ...

    def take_fence(self, session: Session, change: Callable[[], None], *, patience: float) -> None:
        """Call *change*, which locks a fence row, in a transaction.

        Those that hold the row are waited for, *patience* seconds long; then
        their sessions are ended, where the database can.

        Raises:
            LostError: It was not to be had.
        """
        ...
