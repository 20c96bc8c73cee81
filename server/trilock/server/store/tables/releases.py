"""What is live, what was, and where a rollback goes."""

from typing import Any, Optional

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class ReleaseRow(SQLModel, table=True):
    """The time one bundle is live on one alias. Appended; only its end is written later."""

    __tablename__ = "release"
    __table_args__ = (sa.Index("ix_release_alias", "model", "alias", "number"),)

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    epoch: int = big()
    alias: str = Field(max_length=63)
    bundle: int
    kind: str = Field(max_length=16)
    state: str = Field(max_length=16)
    target: Optional[int] = None  # noqa: UP045 - SQLModel reads annotations at run time
    leaves: Optional[int] = None  # noqa: UP045
    feature_project: str = Field(default="", max_length=255)
    """Where its features are read; "" for its schema's own project."""
    leaves_bundle: Optional[int] = None  # noqa: UP045
    restores: Optional[int] = None  # noqa: UP045
    revision: int = big()
    started_ms: int = big()
    ended_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    cause: dict[str, Any] = json_column()
    trial: bool = False
    """Whether it is, or was to its end, on trial only: it never was live."""
    acknowledged_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    """From its pivot to the last acknowledgement of a watcher that was there then."""
    acknowledged: int = 0
    """How many of those have."""
    ended_by: Optional[dict[str, Any]] = json_column(nullable=True)  # noqa: UP045
    pauses: list[dict[str, Any]] = json_column()
    """Of its soak, oldest first."""


class LiveTable(SQLModel, table=True):
    """The live row of each alias: the pivot changes it, nothing else is asked."""

    __tablename__ = "live"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int
    epoch: int = big()
    state: str = Field(max_length=16)
    bundle: int
    target: Optional[int] = None  # noqa: UP045
    revision: int = big()
    switched_revision: int = big()
    switched_ms: int = big(default=0)
    """When, by the database's clock: the fleet's answers are timed against it."""
    cause: dict[str, Any] = json_column()
    """Of the last change."""
    converged_revision: int = big(default=0)
    """`revision` when all planes were last seen equal to the row; the converger's."""
    canary: Optional[int] = None  # noqa: UP045
    """Number of the release that `canary_percent` of the requests go to."""
    canary_percent: int = 0
    shadow: Optional[int] = None  # noqa: UP045
    """Number of the release that gets a copy of the requests."""
    demand: int = big(default=0)
    """How often the planes were set behind: what was seen before the last time is old."""


class FallbackRow(SQLModel, table=True):
    """Where a rollback of an alias goes when none of its releases can be restored."""

    __tablename__ = "fallback"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    bundle: int
    cause: dict[str, Any] = json_column()
    recorded_ms: int = big()
    state: str = Field(max_length=16)
    problems: list[str] = json_column()
    checked_ms: int = big()
