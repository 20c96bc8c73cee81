"""Who reports what it serves, and what it answered when."""

from typing import Optional

from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big


class WatcherRow(SQLModel, table=True):
    """One process that reports what it serves."""

    __tablename__ = "watcher"

    watcher: str = Field(primary_key=True, max_length=128)
    principal: str = Field(max_length=128)
    joined_ms: int = big()
    reported_ms: int = big()
    expires_ms: int = big(index=True)
    """By the database's clock, as all times of the roster."""


class WatchedRow(SQLModel, table=True):
    """What one watcher makes of one alias."""

    __tablename__ = "watched"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    watcher: str = Field(
        primary_key=True, max_length=128, foreign_key="watcher.watcher", index=True
    )
    generation: int = big()
    revision: int = big()
    """The newest acknowledged; 0 for none."""
    acknowledged_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    refused_revision: int = big()
    refusal: str
    standby_warm: bool


class AcknowledgementRow(SQLModel, table=True):
    """Who answered to a revision when: kept when the watcher is long gone."""

    __tablename__ = "acknowledgement"

    revision: int = big(primary_key=True)
    generation: int = big(primary_key=True)
    watcher: str = Field(primary_key=True, max_length=128)
    model: str = Field(max_length=63)
    alias: str = Field(max_length=63)
    principal: str = Field(max_length=128)
    refusal: str
    at_ms: int = big(index=True)
