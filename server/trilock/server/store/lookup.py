"""Rows by their keys, to be read only, with statements that are made once.

Making a statement, and an object that its session follows, takes several times as
long as reading the row; and a rollback reads the same few rows again and again.
"""

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


@cache
def _by_key(kind: type[SQLModel]) -> sa.Select[Any]:
    table = sa.inspect(kind).local_table
    return sa.select(table).where(
        *(column == sa.bindparam(column.name) for column in table.primary_key)
    )
