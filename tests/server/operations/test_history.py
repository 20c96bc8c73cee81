"""Rollbacks of one alias are started one after another, on several replicas too."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from tests.support.operations import CANDIDATE
from tests.support.values import ALIAS
from trilock.server.domain.errors import RequestIdReusedError, UnavailableError
from trilock.server.domain.names import AliasRef
from trilock.server.operations.history import lock_rollbacks
from trilock.server.store.database import Database
from trilock.server.store.requests import claim_request

pytestmark = pytest.mark.slow


@pytest.fixture
def database(postgres_database: str) -> Iterator[Database]:
    database = Database(postgres_database)
    SQLModel.metadata.create_all(database.engine)
    yield database
    database.close()


@contextmanager
def impatient(database: Database) -> Iterator[Session]:
    """Yield a write session that waits for nobody."""
    with database.write() as session:
        session.connection().execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
        yield session


def roll_back(database: Database, alias: AliasRef) -> None:
    with impatient(database) as session:
        lock_rollbacks(session, alias)


def claim(database: Database, content: str) -> bool:
    with impatient(database) as session:
        return claim_request(session, "r-1", content)


def test_a_second_rollback_waits_for_the_first_and_for_no_other_alias(database: Database) -> None:
    with database.write() as first:
        lock_rollbacks(first, ALIAS)

        with pytest.raises(UnavailableError, match="lock timeout"):
            roll_back(database, ALIAS)
        roll_back(database, CANDIDATE)

    roll_back(database, ALIAS)


def test_who_claims_a_request_id_second_waits_for_the_first(database: Database) -> None:
    with database.write() as first:
        assert claim_request(first, "r-1", "a")

        with pytest.raises(UnavailableError, match="lock timeout"):
            claim(database, "a")

    assert not claim(database, "a")
    with pytest.raises(RequestIdReusedError):
        claim(database, "b")
