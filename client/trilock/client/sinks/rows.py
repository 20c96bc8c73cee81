"""What a writer may be given, made into one form: columns, and rows in their order."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, cast

Values = Sequence[Any]


class Frame(Protocol):
    """A pandas DataFrame, as far as it is needed here."""

    columns: Any

    def itertuples(self, *, index: bool, name: str | None) -> Iterable[tuple[Any, ...]]:
        """Yield the rows."""
        ...


class ArrowTable(Protocol):
    """An Arrow table or record batch, as far as it is needed here."""

    schema: Any

    def to_pydict(self) -> dict[str, list[Any]]:
        """Return the columns."""
        ...


Rows = Iterable[Mapping[str, Any]] | Frame | ArrowTable


class MalformedRowsError(ValueError):
    """The rows are not a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that can be read more than once: a batch may have to be repeated."""

    columns: tuple[str, ...]
    size: int
    read: Callable[[], Iterator[Values]]


def to_batch(rows: Rows) -> Batch:
    """Return *rows* as a batch. Missing values of pandas become None, as in `to_sql`.

    Raises:
        MalformedRowsError: They are not a table: no rows, or not the same columns in each.
    """
    if _is_frame(rows):
        return _of_tuples(
            [str(name) for name in rows.columns],
            [
                [None if _is_missing(value) else value for value in row]
                for row in rows.itertuples(index=False, name=None)
            ],
        )
    if _is_arrow(rows):
        if len(set(rows.schema.names)) != len(rows.schema.names):
            raise MalformedRowsError(f"columns are named twice: {list(rows.schema.names)}")
        columns = rows.to_pydict()
        return _of_tuples(list(columns), list(zip(*columns.values(), strict=True)))
    # What is left is dicts; a union of protocols does not narrow by itself.
    return _of_mappings(list(cast(Iterable[Mapping[str, Any]], rows)))


def _of_tuples(columns: list[str], values: Sequence[Values]) -> Batch:
    if len(set(columns)) != len(columns):
        raise MalformedRowsError(f"columns are named twice: {columns}")
    return Batch(columns=tuple(columns), size=len(values), read=lambda: iter(values))


def _of_mappings(rows: list[Mapping[str, Any]]) -> Batch:
    if not rows:
        return Batch(columns=(), size=0, read=lambda: iter(()))
    columns = tuple(rows[0])
    wanted = set(columns)
    for number, row in enumerate(rows):
        if row.keys() != wanted:
            raise MalformedRowsError(
                f"row {number} has the columns {sorted(row)}, row 0 has {sorted(columns)}"
            )
    return Batch(
        columns=columns,
        size=len(rows),
        read=lambda: (tuple(row[name] for name in columns) for row in rows),
    )


def _is_frame(rows: Rows) -> TypeGuard[Frame]:
    # By shape: pandas is not imported just to ask whether this is one of its own.
    return hasattr(rows, "itertuples")


def _is_arrow(rows: Rows) -> TypeGuard[ArrowTable]:
    return hasattr(rows, "to_pydict")


def _is_missing(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    # NaT and pd.NA; neither can be told without importing pandas.
    return type(value).__name__ in {"NaTType", "NAType"}
