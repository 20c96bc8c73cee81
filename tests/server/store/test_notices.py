"""What one replica changes, another one hears of at once, if the change lasts."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlmodel import SQLModel

from trilock.server.store.counters import allot_revision, append_event, begin_generation
from trilock.server.store.database import Database
from trilock.server.store.notices import Listener

pytestmark = pytest.mark.slow

DEADLINE = 20.0


@pytest.fixture
def database(postgres_database: str) -> Iterator[Database]:
    database = Database(postgres_database)
    SQLModel.metadata.create_all(database.engine)
    with database.write() as session:
        begin_generation(session)
    yield database
    database.close()


@contextmanager
def listening(database: Database, nudge: Callable[[], None]) -> Iterator[None]:
    listener = Listener(database, nudge)
    listener.start()
    assert listener.listening.wait(DEADLINE)
    yield
    assert listener.stop(DEADLINE)


def change(database: Database, *, divisor: int = 1) -> None:
    with database.write() as session:
        revision = allot_revision(session)
        append_event(
            session,
            at=revision,
            kind="PROMOTED",
            model="delay",
            alias="production",
            payload={},
        )
        _ = 1 / divisor


def test_a_change_is_heard_by_every_other_replica(database: Database) -> None:
    heard: queue.Queue[str] = queue.Queue()
    with listening(database, lambda: heard.put("a")), listening(database, lambda: heard.put("b")):
        # Whoever begins to listen looks once: something may have been missed.
        assert {heard.get(timeout=DEADLINE), heard.get(timeout=DEADLINE)} == {"a", "b"}
        assert heard.empty()

        change(database)

        assert {heard.get(timeout=DEADLINE), heard.get(timeout=DEADLINE)} == {"a", "b"}


def test_a_change_that_is_rolled_back_is_no_news(database: Database) -> None:
    heard: queue.Queue[str] = queue.Queue()
    with listening(database, lambda: heard.put("heard")):
        heard.get(timeout=DEADLINE)
        with pytest.raises(ZeroDivisionError):
            change(database, divisor=0)
        # Announcements come in the order of their commits: had there been one, it would be first.
        change(database)
        heard.get(timeout=DEADLINE)

        assert heard.empty()


def test_a_listener_whose_connection_is_ended_listens_again(
    database: Database, postgres_database: str
) -> None:
    heard: queue.Queue[str] = queue.Queue()
    with listening(database, lambda: heard.put("heard")):
        heard.get(timeout=DEADLINE)
        with database.write() as session:
            session.connection().exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            )

        # Something may have been said meanwhile, so it looks by itself.
        heard.get(timeout=DEADLINE)
        change(database)
        heard.get(timeout=DEADLINE)
