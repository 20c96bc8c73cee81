"""Inserts that need no object which the session follows, and one for a row that may be there."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def insert_if_absent(session: Session, row: type[SQLModel], **values: Any) -> bool:  # noqa: ANN401
    """Insert *values* into the table of *row*; return whether they were new.

    On PostgreSQL it waits for a transaction that is inserting the same key, so
    that the answer is the committed truth.
    """
    connection = session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(sa.inspect(row).local_table).values(**values).inline()
    # Without the option SQLAlchemy has no row count for inserts, and says -1.
    inserted = connection.execute(
        statement.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    ).rowcount
    if inserted not in {0, 1}:
        raise RuntimeError(f"the database does not say whether it inserted: {inserted}")
    return inserted == 1


def insert_rows(session: Session, rows: Sequence[SQLModel]) -> None:
    """Insert *rows*, all of one table, with a statement that is made once.

    The session does not follow them: what is set on one afterwards is written nowhere.
    """
    if not rows:
        return
    # As the session does: what it changed so far comes first.
    session.flush()
    table, statement = _insert_into(type(rows[0]))
    session.connection().execute(
        statement,
        [{column.name: getattr(row, column.name) for column in table.columns} for row in rows],
    )


@cache
def _insert_into(kind: type[SQLModel]) -> tuple[sa.Table, sa.Insert]:
    table = sa.inspect(kind).local_table
    if not isinstance(table, sa.Table):
        raise TypeError(f"{kind.__name__} has no table of its own")
    return table, sa.insert(table).inline()
