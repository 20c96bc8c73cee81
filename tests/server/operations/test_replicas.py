"""Several processes on one PostgreSQL: one drives at a time, and any may go on."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlmodel import select

from tests.support.children import exit_code, resumed, wait_until_stopped
from tests.support.children import started as started_child
from tests.support.operations import (
    NOBODY,
    FolderOutside,
    World,
    plan,
    populate,
    register,
    started,
)
from tests.support.values import ALIAS, MODEL
from trilock.server.domain.errors import BusyError, WrongStateError
from trilock.server.domain.names import AliasRef, OperationId, alias_name
from trilock.server.domain.operation import OperationKind, OperationState
from trilock.server.store.database import Database
from trilock.server.store.tables import LockRow, OperationEventRow

pytestmark = pytest.mark.slow

TTL = 1.0


@pytest.fixture
def url(postgres_database: str) -> str:
    database = Database(postgres_database)
    populate(database)
    database.close()
    return postgres_database


@pytest.fixture
def outside(tmp_path: Path) -> FolderOutside:
    return FolderOutside(tmp_path)


@pytest.fixture
def make_world(url: str, outside: FolderOutside) -> Iterator[Callable[[str], World]]:
    databases: list[Database] = []

    def make(owner: str) -> World:
        databases.append(Database(url))
        return World(databases[-1], outside, owner=owner, ttl=TTL)

    yield make
    for database in databases:
        database.close()


def wait(world: World, operation_id: OperationId) -> OperationState:
    """Return the state in which the operation ends."""
    seen = 0
    while True:
        operation, now = world.journal.wait(operation_id, seen=seen, timeout=30)
        if operation.done:
            return operation.state
        assert now != seen, f"stuck: {operation}"
        seen = now


def events(world: World) -> list[tuple[str, str]]:
    with world.database.read() as session:
        rows = session.exec(select(OperationEventRow)).all()
        return [(row.owner, row.kind) for row in sorted(rows, key=lambda row: row.id or 0)]


def test_one_replica_does_everything_that_one_file_does(
    make_world: Callable[[str], World], outside: FolderOutside
) -> None:
    world = make_world("A")
    went = world.promote(1)
    world.run()
    world.finalize()
    world.run()
    stayed = world.promote(2, trouble="refused")
    world.run()

    assert world.journal.get(went.id).state is OperationState.SUCCEEDED
    assert world.journal.get(stayed.id).state is OperationState.COMPENSATED
    assert outside.read("features") == "f1"
    assert outside.read("alias") == "1"
    assert world.counted() == 1


def test_many_submits_of_one_request_start_one_operation(
    make_world: Callable[[str], World],
) -> None:
    worlds = [make_world("A"), make_world("B")]

    def submit(n: int) -> OperationId:
        world = worlds[n % 2]
        with world.database.write() as session:
            return world.journal.submit(
                session,
                plan(OperationKind.PROMOTE, ALIAS, register("staging", "s1")),
                request_id="r-1",
                request_hash="h",
                cause=NOBODY,
                release=None,
                scopes=(),
            ).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(64)))) == 1

    assert len(worlds[0].journal.list()) == 1


def test_a_taken_scope_is_refused_on_every_replica(make_world: Callable[[str], World]) -> None:
    a, b = make_world("A"), make_world("B")
    holder = a.promote(1)

    with pytest.raises(BusyError) as caught:
        b.promote(2)

    assert caught.value.operation == f"operations/{holder.id}"


def test_many_submits_on_one_scope_start_one_operation(
    make_world: Callable[[str], World],
) -> None:
    worlds = [make_world("A"), make_world("B")]

    def submit(n: int) -> bool:
        try:
            worlds[n % 2].promote(1)
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(submit, range(16))) == 1


def test_two_replicas_share_the_work_and_double_nothing(
    make_world: Callable[[str], World],
) -> None:
    a, b = make_world("A"), make_world("B")
    aliases = [AliasRef(MODEL, alias_name(f"alias-{n}")) for n in range(12)]
    operations = [a.promote(1 + n % 3, alias=alias) for n, alias in enumerate(aliases)]

    with started(a), started(b):
        states = [wait(a, operation.id) for operation in operations]

    assert states == [OperationState.SUCCEEDED] * 12
    assert a.counted() == 12
    claimed = [owner for owner, kind in events(a) if kind == "claimed"]
    assert len(claimed) == 12


def test_another_replica_goes_on_when_the_lease_of_a_dead_one_ends(
    url: str, make_world: Callable[[str], World], outside: FolderOutside
) -> None:
    died = exit_code(promote_until, url, outside, "outside:after", signal.SIGKILL)
    assert died == -signal.SIGKILL

    b = make_world("B")
    with started(b):
        (operation,) = b.journal.list()
        state = wait(b, operation.id)

    assert state is OperationState.SUCCEEDED
    assert outside.read("features") == "f1"
    assert b.counted() == 1
    owners = [owner for owner, kind in events(b) if kind == "claimed"]
    assert owners == ["A", "B"]


def test_a_paused_replica_that_wakes_up_writes_nothing(
    url: str, make_world: Callable[[str], World], outside: FolderOutside
) -> None:
    with started_child(promote_until, url, outside, "outside:before", signal.SIGSTOP) as paused:
        wait_until_stopped(paused)
        b = make_world("B")
        with started(b):
            (operation,) = b.journal.list()
            assert wait(b, operation.id) is OperationState.SUCCEEDED
        before = events(b)

        assert resumed(paused) == 0
    assert events(b) == before
    assert b.counted() == 1


def test_pressing_everything_at_once_ends_in_order(make_world: Callable[[str], World]) -> None:
    a, b = make_world("A"), make_world("B")
    a.promote(1)
    a.run()

    def press(n: int) -> OperationId:
        world = (a, b)[n % 2]
        operation = world.roll_back(1 + n % 3)
        if n % 5 == 0:
            with suppress(WrongStateError):  # it was faster
                world.journal.cancel(operation.id)
        return operation.id

    with started(a), started(b), ThreadPoolExecutor(6) as pool:
        pressed = [submit.result() for submit in [pool.submit(press, n) for n in range(40)]]
        states = {wait(a, operation_id) for operation_id in pressed}

    assert states <= {
        OperationState.SUCCEEDED,
        OperationState.SUPERSEDED,
        OperationState.COMPENSATED,
    }
    with a.database.read() as session:
        assert session.exec(select(LockRow)).all() == []
    live = a.live(ALIAS)
    assert live is not None
    assert a.projections[0].observe(live) == str(live.bundle.number)


def test_a_waiter_on_one_replica_sees_the_writes_of_another(
    make_world: Callable[[str], World],
) -> None:
    a, b = make_world("A"), make_world("B")
    operation = a.promote(1)
    told: list[OperationState] = []
    waiter = threading.Thread(target=lambda: told.append(wait(b, operation.id)))
    waiter.start()

    a.run()

    waiter.join(30)
    assert told == [OperationState.SUCCEEDED]


def promote_until(url: str, outside: FolderOutside, at: str, signal_: signal.Signals) -> None:
    """Promote as replica A, which sends itself a signal at the site *at*, once."""
    left = [1]

    def interrupt(site: str) -> None:
        if site == at and left:
            left.clear()
            os.kill(os.getpid(), signal_)

    world = World(Database(url), outside, owner="A", ttl=TTL, at=interrupt)
    world.promote(1)
    world.run()
