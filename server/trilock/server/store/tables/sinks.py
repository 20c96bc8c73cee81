"""Sinks, and what became of each release's writes to them."""

from typing import Any, Optional

from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class SinkRow(SQLModel, table=True):
    """A registered sink."""

    __tablename__ = "sink"

    model: str = Field(primary_key=True, max_length=63)
    sink: str = Field(primary_key=True, max_length=40)
    connection: str = Field(max_length=128)
    table: str = Field(max_length=255)
    keys: list[str] = json_column()
    columns: list[dict[str, Any]] = json_column()
    live_view: bool
    created_ms: int = big()
    creator: str = Field(max_length=128)
    altered_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    alterer: Optional[str] = Field(default=None, max_length=128)  # noqa: UP045


class ReleaseSinkRow(SQLModel, table=True):
    """What became of one release's writes to one sink."""

    __tablename__ = "release_sink"

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    sink: str = Field(primary_key=True, max_length=40)
    state: str = Field(max_length=16)
    counts: dict[str, Any] = json_column()
    purged_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
