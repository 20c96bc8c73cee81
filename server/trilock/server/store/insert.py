"""Insert a row unless it is there: the one statement both databases spell alike."""

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
