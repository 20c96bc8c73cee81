"""Insert a row unless it is there: the one statement both databases spell alike."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel


def insert_if_absent(session: Session, row: type[SQLModel], **values: Any) -> bool:  # noqa: ANN401
    """Insert *values* into the table of *row*; return whether they were new.

    On PostgreSQL it waits for a transaction that is inserting the same key, so
    that the answer is the committed truth.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(row).values(**values).on_conflict_do_nothing()
    return bool(session.exec(statement).rowcount)
