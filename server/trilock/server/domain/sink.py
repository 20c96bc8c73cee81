"""Sinks: downstream tables, and how a release's writes are kept apart from them."""

from dataclasses import dataclass
from datetime import datetime

from trilock.client.sinks.layout import RELEASE_COLUMN
from trilock.server.domain.names import SinkRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkColumn:
    """One column of a sink's table, as its database declares it."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A registered downstream table."""

    ref: SinkRef
    connection: str
    """Name of a connection in the settings, never a URL."""
    table: str
    """`table` or `schema.table`, as the database spells it; never quoted."""
    keys: tuple[str, ...]
    """Columns that identify a row; empty for an append-only table."""
    columns: tuple[SinkColumn, ...]
    """The table's columns when it was registered, or registered again."""
    created: datetime
    creator: str
    altered: datetime | None = None
    """When it was registered again with other columns, the last time; None if never."""
    alterer: str | None = None
    """Who did that."""
    live_view: bool = False
    """Whether a view `<table>_live` shows the table with the live release's staged rows."""

    @property
    def undoable(self) -> bool:
        """Whether it can be told which rows of the table are a finalized release's."""
        return bool(self.keys) or any(column.name == RELEASE_COLUMN for column in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRows:
    """How many rows an epoch holds apart from the table."""

    rows: int
    first_key: str | None
    """JSON array of the smallest key's values; None when there are no rows or no keys."""
    last_key: str | None
    digest: str
    """Digest of the rows in key order; equal digest, equal rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedCount:
    """How many rows an epoch held apart when it was last looked at; cheap to tell."""

    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCounts:
    """What finalizing an epoch did to the table."""

    merged: int
    """Rows that are in the table now and were staged before."""
    replaced: int
    """Of those, rows that replaced one; the replaced rows are kept as the undo image."""
    kept: int
    """Staged rows that were not merged since somebody else wrote the key meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCounts:
    """What rolling back a finalized epoch did to the table."""

    removed: int
    """Rows that the epoch had added."""
    restored: int
    """Rows that the epoch had replaced."""
    kept: int
    """Rows of the epoch that somebody else changed since; they stay and are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoUnavailable:
    """A finalized epoch was rolled back, and what it had written stays in the table."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceAhead:
    """The sink's database has seen more of a release than trilock's, restored from a copy."""

    why: str
    """What it says, what that means, and what to do."""
