"""Every write is one real transaction; one process has a file."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import SQLModel, select

from tests.support.children import exit_code
from trilock.server.domain.errors import UnavailableError
from trilock.server.store.counters import (
    allot_revision,
    begin_generation,
    generation,
    next_number,
    revision,
)
from trilock.server.store.database import Database, DatabaseInUseError, FileLock, after_commit
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.tables import CounterRow, StoreRow


def prepared(url: str) -> Database:
    database = Database(url)
    SQLModel.metadata.create_all(database.engine)
    return database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The same promises on both."""
    if request.param == "sqlite":
        database = prepared(f"sqlite:///{tmp_path / 'trilock.db'}")
    else:
        database = prepared(request.getfixturevalue("postgres_database"))
    yield database
    database.close()


def value(database: Database, name: str = "n") -> int | None:
    with database.read() as session:
        row = session.get(CounterRow, name)
        return None if row is None else row.value


class FailedError(Exception):
    pass


def test_a_write_is_committed_when_its_block_ends(database: Database) -> None:
    with database.write() as session:
        session.add(CounterRow(name="n", value=1))
        assert value(database) is None

    assert value(database) == 1


def test_a_write_whose_block_raises_is_not(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as session:
            session.add(CounterRow(name="n", value=1))
            session.flush()
            raise FailedError

    with pytest.raises(FailedError):
        write_and_fail()

    assert value(database) is None


def test_a_read_keeps_nothing(database: Database) -> None:
    with database.read() as session:
        session.add(CounterRow(name="n", value=1))

    assert value(database) is None


def test_the_nudge_comes_after_the_commit_and_only_then(database: Database) -> None:
    seen: list[int | None] = []
    database.after_write(lambda: seen.append(value(database)))

    with database.write() as session:
        session.add(CounterRow(name="n", value=1))
    with database.read() as session:
        session.exec(select(CounterRow)).all()
    with pytest.raises(FailedError), database.write() as session:
        raise FailedError

    assert seen == [1]


def test_only_a_write_with_a_revision_nudges_who_follows_revisions(database: Database) -> None:
    told: list[str] = []
    database.after_revision(lambda: told.append("told"))

    with database.write() as session:
        begin_generation(session)
        next_number(session, "n")
    without = list(told)
    with database.write() as session:
        allot_revision(session)

    assert (without, told) == ([], ["told"])


def test_a_follow_up_comes_after_the_commit_and_before_the_nudges(database: Database) -> None:
    seen: list[tuple[str, int | None]] = []
    database.after_write(lambda: seen.append(("nudge", value(database))))

    with database.write() as session:
        after_commit(session, lambda: seen.append(("follow-up", value(database))))
        session.add(CounterRow(name="n", value=1))

    assert seen == [("follow-up", 1), ("nudge", 1)]


def test_no_update_is_lost(database: Database) -> None:
    def count(_: int) -> int:
        with database.write() as session:
            return next_number(session, "n")

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(count, range(80)))

    assert sorted(numbers) == list(range(1, 81))
    assert value(database) == 80


def test_a_number_that_was_not_committed_is_given_again(database: Database) -> None:
    def count_and_fail() -> None:
        with database.write() as session:
            assert next_number(session, "n") == 1
            raise FailedError

    with pytest.raises(FailedError):
        count_and_fail()

    with database.write() as session:
        assert next_number(session, "n") == 1


def test_revisions_grow_by_one(database: Database) -> None:
    with database.write() as session:
        begin_generation(session)
    with database.write() as session:
        assert (allot_revision(session), allot_revision(session)) == (1, 2)

    with database.read() as session:
        assert revision(session) == 2


def test_a_generation_lasts(database: Database) -> None:
    with database.write() as session:
        first = begin_generation(session)
    with database.write() as session:
        assert begin_generation(session) == first
        assert generation(session) == first


def test_replicas_that_begin_at_once_begin_the_same_generation(database: Database) -> None:
    def begin(_: int) -> int:
        with database.write() as session:
            return begin_generation(session)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(begin, range(8)))) == 1


def test_a_restored_copy_begins_a_greater_one(database: Database) -> None:
    with database.write() as session:
        first = begin_generation(session)
        store = session.get(StoreRow, 1)
        assert store is not None
        store.restored = True
        session.add(store)

    with database.write() as session:
        second = begin_generation(session)

    assert second > first
    with database.write() as session:
        assert begin_generation(session) == second


def test_a_row_is_inserted_once(database: Database) -> None:
    with database.write() as session:
        assert insert_if_absent(session, CounterRow, name="n", value=1)
    with database.write() as session:
        assert not insert_if_absent(session, CounterRow, name="n", value=2)

    assert value(database) == 1


def test_a_table_with_a_number_for_its_key_says_so_too(database: Database) -> None:
    values = {"generation": 1, "revision": 0, "restored": False}
    with database.write() as session:
        assert insert_if_absent(session, StoreRow, id=1, **values)
        assert not insert_if_absent(session, StoreRow, id=1, **values)


def test_a_busy_file_is_unavailable_and_unchanged(tmp_path: Path) -> None:
    database = prepared(f"sqlite:///{tmp_path / 'trilock.db'}")
    impatient = Database(f"sqlite:///{tmp_path / 'trilock.db'}")

    @event.listens_for(impatient.engine, "connect")
    def _do_not_wait(connection: object, _: object) -> None:
        connection.execute("PRAGMA busy_timeout=0")  # type: ignore[attr-defined]  # DBAPI

    with database.write() as session:
        session.add(CounterRow(name="n", value=1))
        session.flush()
        with pytest.raises(UnavailableError, match="locked"), impatient.write() as other:
            other.add(CounterRow(name="n", value=2))

    assert value(database) == 1
    impatient.close()
    database.close()


class TestFileLock:
    def test_the_second_is_told_who_was_first(self, tmp_path: Path) -> None:
        file = tmp_path / "trilock.db"
        with FileLock(file), pytest.raises(DatabaseInUseError, match=f"pid {os.getpid()}"):
            FileLock(file).acquire()

    def test_it_can_be_taken_again_once_it_was_given_back(self, tmp_path: Path) -> None:
        file = tmp_path / "trilock.db"
        with FileLock(file):
            pass
        with FileLock(file):
            pass

    @pytest.mark.slow
    def test_a_dead_process_has_none(self, tmp_path: Path) -> None:
        file = tmp_path / "trilock.db"
        assert exit_code(lock_and_die, file) == -signal.SIGKILL

        with FileLock(file):
            pass


def lock_and_die(file: Path) -> None:
    FileLock(file).acquire()
    os.kill(os.getpid(), signal.SIGKILL)
