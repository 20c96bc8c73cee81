"""One connection to a sink's database, and how its SQL differs from the other's.

Two databases, one set of statements: what differs is small and is all here.
Every error of a driver becomes one of three, by what to do about it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from trilock.client.sinks.layout import Relation, Shape, ShapeColumn

Params = Mapping[str, Any]
Row = tuple[Any, ...]

NO_PARAMS: Final[Params] = {}


class SessionError(Exception):
    """Base of what a session raises; callers turn it into errors of their own."""


class LostError(SessionError):
    """The database does not answer, or is locked. A commit may have taken effect."""


class ConflictError(SessionError):
    """Somebody else was faster; nothing was changed. Repeat the transaction."""


class LockTimeoutError(ConflictError):
    """The lock was not to be had in time."""


class RefusedError(SessionError):
    """The database refused the statement; nothing was changed."""


class MissingTableError(RefusedError):
    """A table that the statement names does not exist."""


class Dialect(Protocol):
    """How the SQL of one database differs from that of the other."""

    share: str
    """Ends a SELECT of one fence row `f`: other batches may hold it too."""
    exclusive: str
    """Ends a SELECT of one fence row `f`: nobody else may hold it."""
    now: str
    """Expression: the database's clock."""
    alone: bool
    """Whether a transaction keeps every other writer of the database out."""

    def quote(self, name: str) -> str:
        """Return the identifier *name*, quoted."""
        ...

    def relation(self, relation: Relation) -> str:
        """Return the table, quoted."""
        ...

    def own(self, name: str) -> str:
        """Return the name of a table of trilock's own, quoted."""
        ...

    def image(self, name: str) -> Relation:
        """Return where an image table is; see `layout.image_name`."""
        ...

    def temporary(self, name: str) -> str:
        """Return the name of a temporary table, quoted."""
        ...

    def param(self, name: str) -> str:
        """Return the placeholder of the parameter *name*."""
        ...

    def same(self, left: str, right: str, columns: Sequence[ShapeColumn]) -> str:
        """Return the condition that two rows are equal to the last bit.

        The database's own equality will not do: it may ignore case, and some
        types have none.
        """
        ...

    def moment(self, expression: str) -> str:
        """Return the text of a time of trilock's own tables: ISO 8601 in UTC."""
        ...

    def lock_rows(self, alias: str) -> str:
        """Return the end of a SELECT that locks the rows of the table *alias*."""
        ...

    def misfit(self, column: ShapeColumn) -> str | None:
        """Return the condition that a loaded value is not of the column's type.

        None where the database itself refuses such a value.
        """
        ...


class Session(Protocol):
    """One connection. Statements run inside `transaction`."""

    @property
    def dialect(self) -> Dialect:
        """How SQL is written here."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Begin; commit at the end, roll back on an exception.

        On SQLite it holds the write lock from the first moment.
        """
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Begin to read; every query sees one moment, and writers are not kept waiting."""
        ...

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return the number of rows it touched."""
        ...

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """Run a query and return its rows."""
        ...

    def stream(self, sql: str, params: Params = NO_PARAMS) -> Iterator[Row]:
        """Run a query in a `snapshot` and yield its rows; never holds more than a few of them."""
        ...

    def load(self, shape: Shape, *, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> int:
        """Fill the empty temporary table of *shape* and return the number of rows."""
        ...

    def close(self) -> None:
        """Close the connection. Never raises."""
        ...
