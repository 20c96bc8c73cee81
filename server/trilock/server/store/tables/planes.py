"""What the planes were last seen to be."""

from typing import Optional

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class PlaneStateRow(SQLModel, table=True):
    """How far one plane has followed the live row of one alias."""

    __tablename__ = "plane_state"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    plane: str = Field(primary_key=True, max_length=64)
    converged_revision: int = big()
    """`revision` of the live row that the plane was last seen equal to; see plane_states."""
    wanted: str
    found: str
    attempts: int
    error: str
    failing_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    """Since when it fails; None if it does not."""
    not_before_ms: int = big()


class FeatureStateRow(SQLModel, table=True):
    """The last look at the Feast project that one release of an alias reads."""

    __tablename__ = "feature_state"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int = Field(primary_key=True)
    project: str = Field(max_length=255)
    rows: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    fed_until_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    cold: list[str] = json_column()
    error: str
    checked_ms: int = big()


class ReadinessRow(SQLModel, table=True):
    """The last look at the rollback target of one alias."""

    __tablename__ = "readiness"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int
    state: str = Field(max_length=16)
    problems: list[str] = json_column()
    checked_ms: int = big()


class DriftRow(SQLModel, table=True):
    """Something foreign in a plane: found by somebody who looked, until it was gone."""

    __tablename__ = "drift"
    __table_args__ = (sa.Index("ix_drift_alias", "model", "alias", "ended_ms"),)

    revision: int = big(primary_key=True)
    """Of the event that tells of it."""
    model: str = Field(max_length=63)
    alias: str = Field(max_length=63)
    plane: str = Field(max_length=64)
    resource: str
    wanted: str
    found: str
    changes: list[str] = json_column()
    held: Optional[int] = None  # noqa: UP045
    """The bundle on hold that was put back, if it is one."""
    reasserted: bool
    """Whether the plane is driven to the live row again."""
    since_ms: int = big()
    ended_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
