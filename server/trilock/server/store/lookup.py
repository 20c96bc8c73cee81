"""Rows to be read only, found with statements that are made once.

Making a statement, and an object that its session follows, takes several times as
long as reading the row; and a rollback reads the same few rows again and again.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

R = TypeVar("R", bound=SQLModel)


def find_row(session: Session, kind: type[R], **key: object) -> R | None:
    """Return the row of *kind* with that primary key, or None.

    It has the row's columns and nothing else: what is set on it is written nowhere.
    """
    # As any query of objects does: what the session has changed so far is seen.
    session.flush()
    return cast("R | None", session.connection().execute(_by_key(kind), key).one_or_none())


def find_rows(session: Session, query: sa.Select[Any], **values: object) -> Sequence[Any]:
    """Return the rows that *query*, which is made once, finds with *values* for parameters."""
    session.flush()
    return session.connection().execute(query, values).all()


@cache
def _by_key(kind: type[SQLModel]) -> sa.Select[Any]:
    table = sa.inspect(kind).local_table
    return sa.select(table).where(
        *(column == sa.bindparam(column.name) for column in table.primary_key)
    )
