"""The receipt of one epoch: which rows it wrote to a sink, when, and what became of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RowState(StrEnum):
    """What became of a row that the epoch wrote."""

    APART = "APART"
    """It is not in the table: staged, in quarantine, or taken out again."""
    KEPT = "KEPT"
    """It is not in the table, since somebody else had written the key first."""
    PRESENT = "PRESENT"
    """It is in the table, as the epoch wrote it."""
    REPLACED = "REPLACED"
    """It was in the table; now there is another row of the same key."""
    GONE = "GONE"
    """It was in the table; now there is no row of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBatches:
    """The batches of the epoch, together."""

    batches: int
    rows: int
    """As they were given: a key that was written twice counts twice."""
    direct_rows: int
    """Of those, rows that went to the table itself."""
    first: str | None
    """When the first was written, by the database's clock; None if there was none."""
    last: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRow:
    """One row that the epoch wrote, under its last content."""

    key: tuple[Any, ...]
    """Of an append-only sink, which has no keys, the whole row."""
    state: RowState
    batch_id: str
    """The batch that wrote it last; empty for an append-only sink."""
    written: str
    replaced_by: int | None
    """The epoch of the same sink whose row is there instead, if it is one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one epoch put where, in numbers."""

    written: WrittenBatches
    rows: dict[RowState, int] | None
    """None where nothing tells: an append-only table without a release column."""
    columns: tuple[str, ...]
    """What `WrittenRow.key` has values of: the keys, or all columns without keys."""
    backfill_sql: str
    """A query for what a backfill has to redo."""
