"""What orders all changes, and who made a request before."""

from typing import Any

from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class StoreRow(SQLModel, table=True):
    """Exactly one row: what orders all changes."""

    __tablename__ = "store"

    id: int = Field(primary_key=True)
    generation: int = big()
    revision: int = big()
    restored: bool
    """Set in a backup; the server that starts on it begins a new generation."""


class ProgramRow(SQLModel, table=True):
    """A program that works on this schema, by the schema that it was made for.

    Written by migrations only. A release that expands the schema keeps the row of
    the one before it, whose servers may go on while they are replaced.
    """

    __tablename__ = "program"

    schema_: str = Field(primary_key=True, max_length=32, sa_column_kwargs={"name": "schema"})


class CounterRow(SQLModel, table=True):
    """The last number given to a bundle or release of a model, or version of a service."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True, max_length=255)
    value: int = big()


class EventRow(SQLModel, table=True):
    """One change of the truth: what watchers and history are told."""

    __tablename__ = "event"

    revision: int = big(primary_key=True)
    at_ms: int = big()
    kind: str = Field(max_length=32)
    model: str = Field(max_length=63, index=True)
    alias: str = Field(max_length=63)
    payload: dict[str, Any] = json_column()


class RequestRow(SQLModel, table=True):
    """A request id that was used, and for what: claimed by every kind of change."""

    __tablename__ = "request"

    request_id: str = Field(primary_key=True, max_length=128)
    request_hash: str = Field(max_length=64)
    created_ms: int = big()
