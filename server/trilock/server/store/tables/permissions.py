"""What is allowed to whom: holds, policies, waivers, tokens."""

from typing import Any, Optional

from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class HoldRow(SQLModel, table=True):
    """A bundle that must not be promoted, or an alias to which nothing must."""

    __tablename__ = "hold"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    """"" for the hold of a bundle."""
    number: int = Field(primary_key=True)
    """0 for the hold of an alias."""
    reason: str
    principal: str = Field(max_length=128)
    created_ms: int = big()
    expires_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045


class PolicyRow(SQLModel, table=True):
    """A policy of an alias, from a revision on. Appended; the newest one counts."""

    __tablename__ = "policy"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    revision: int = big(primary_key=True)
    policy: dict[str, Any] = json_column()
    set_ms: int = big()
    cause: dict[str, Any] = json_column()


class WaiverRow(SQLModel, table=True):
    """A recorded waiver. Never deleted; only its end is written later."""

    __tablename__ = "waiver"

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    alias: str = Field(max_length=63)
    """Empty for every alias of the model."""
    rule: str = Field(max_length=16)
    path: str
    owner: str
    reason: str
    expires: str = Field(max_length=10)
    """The last day it is good for, ISO 8601."""
    created_ms: int = big()
    creator: str = Field(max_length=128)
    ended_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    ended_by: Optional[dict[str, Any]] = json_column(nullable=True)  # noqa: UP045


class TokenRow(SQLModel, table=True):
    """A token, stored hashed."""

    __tablename__ = "token"

    principal: str = Field(primary_key=True, max_length=128)
    sha256: str = Field(max_length=64, unique=True)
    roles: list[str] = json_column()
    created_ms: int = big()
    creator: str = Field(max_length=128)
