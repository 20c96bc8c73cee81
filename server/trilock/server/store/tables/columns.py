"""Columns as both databases have them."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

JSON: Final = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def json_column(*, nullable: bool = False) -> Any:  # noqa: ANN401 - SQLModel's Field is Any
    """Return a column of JSON: JSONB on PostgreSQL."""
    return Field(default=None, sa_column=sa.Column(JSON, nullable=nullable))


def big(**kwargs: Any) -> Any:  # noqa: ANN401 - SQLModel's Field is Any
    """Return a column of 64-bit integers: revisions, epochs and times."""
    return Field(sa_type=sa.BigInteger, **kwargs)
