"""Who may drive, and who may write."""

import threading

import pytest
from sqlmodel import Session, col, select, update

from tests.support.operations import MemoryOutside, World
from trilock.server.domain.operation import OperationState
from trilock.server.operations.ledger import Ledger
from trilock.server.operations.records import lease_scope
from trilock.server.store.database import Database
from trilock.server.store.tables import CounterRow, LeaseRow, OperationEventRow
from trilock.server.workers.lease import FencedError, Lease, Leases, free_all

SCOPE = "operations/1"


def claim(leases: Leases, database: Database) -> Lease | None:
    with database.write() as session:
        return leases.claim(session, SCOPE)


def held(leases: Leases, database: Database) -> Lease:
    lease = claim(leases, database)
    assert lease is not None
    return lease


def row(database: Database) -> LeaseRow | None:
    with database.read() as session:
        found = session.get(LeaseRow, SCOPE)
        return None if found is None else LeaseRow(**found.model_dump())


def expire(database: Database, scope: str = SCOPE) -> None:
    with database.write() as session:
        session.exec(update(LeaseRow).where(col(LeaseRow.scope) == scope).values(until_ms=1))


def write(session: Session, name: str) -> None:
    session.add(CounterRow(name=name, value=7))


def written(database: Database) -> list[str]:
    with database.read() as session:
        return sorted(session.exec(select(CounterRow.name).where(CounterRow.value == 7)))


@pytest.fixture
def a(database: Database) -> Leases:
    return Leases(database, owner="A")


@pytest.fixture
def b(database: Database) -> Leases:
    return Leases(database, owner="B")


def test_a_lease_has_one_holder(a: Leases, b: Leases, database: Database) -> None:
    lease = held(a, database)

    assert (lease.owner, lease.epoch) == ("A", 1)
    assert claim(b, database) is None
    assert claim(a, database) is None


def test_after_its_end_anybody_may_claim_with_a_higher_epoch(
    a: Leases, b: Leases, database: Database
) -> None:
    held(a, database)
    expire(database)

    lease = held(b, database)

    assert (lease.owner, lease.epoch) == ("B", 2)


def test_many_claims_at_once_make_one_holder(a: Leases, database: Database) -> None:
    found: list[Lease | None] = []
    threads = [threading.Thread(target=lambda: found.append(claim(a, database))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [lease.epoch for lease in found if lease is not None] == [1]
    assert len(found) == 16


def test_a_fenced_write_is_made_and_renews(a: Leases, database: Database) -> None:
    lease = held(a, database)
    expire(database)
    lease.safe_until = 0.0

    with a.fenced(lease) as session:
        write(session, "mine")

    assert written(database) == ["mine"]
    assert lease.safe_until > 0.0
    renewed = row(database)
    assert renewed is not None
    assert renewed.until_ms > 1


def test_a_former_holder_writes_nothing(a: Leases, b: Leases, database: Database) -> None:
    lease = held(a, database)
    expire(database)
    held(b, database)

    with pytest.raises(FencedError), a.fenced(lease) as session:
        write(session, "late")

    assert written(database) == []


def test_one_who_only_thinks_it_holds_it_starts_no_call(
    a: Leases, b: Leases, database: Database
) -> None:
    lease = held(a, database)
    expire(database)
    held(b, database)
    lease.safe_until = 0.0

    with pytest.raises(FencedError):
        a.cover(lease, seconds=1)


def test_a_call_that_fits_needs_no_renewal(a: Leases, b: Leases, database: Database) -> None:
    lease = held(a, database)
    before = row(database)

    a.cover(lease, seconds=1)

    assert row(database) == before


def test_a_call_that_does_not_fit_renews_first(database: Database) -> None:
    leases = Leases(database, owner="A", ttl=10)
    lease = held(leases, database)
    expire(database)
    lease.safe_until -= 5

    leases.cover(lease, seconds=7)

    renewed = row(database)
    assert renewed is not None
    assert renewed.until_ms > 1


def test_a_freed_lease_is_anybodys_and_its_epoch_has_grown(
    a: Leases, b: Leases, database: Database
) -> None:
    lease = held(a, database)
    with a.fenced(lease) as session:
        a.free(session, lease)

    # A heartbeat that comes late must not bring it to life again.
    with pytest.raises(FencedError), a.fenced(lease):
        pass
    assert held(b, database).epoch == 3


def test_a_dropped_lease_leaves_no_row(a: Leases, database: Database) -> None:
    lease = held(a, database)
    with a.fenced(lease) as session:
        a.drop(session, lease)

    assert row(database) is None
    with pytest.raises(FencedError), a.fenced(lease):
        pass


def test_the_heartbeat_keeps_it_alive(database: Database) -> None:
    leases = Leases(database, owner="A", ttl=0.06)
    lease = held(leases, database)
    beats = threading.Semaphore(0)
    database.after_write(beats.release)

    with leases.kept(lease):
        for _ in range(3):
            assert beats.acquire(timeout=30)

    kept = row(database)
    assert kept is not None
    assert kept.epoch == 1


def test_a_heart_that_waits_for_an_outside_call_begins_with_it(database: Database) -> None:
    leases = Leases(database, owner="A", ttl=0.06)
    lease = held(leases, database)
    beats = threading.Semaphore(0)
    database.after_write(beats.release)

    with leases.kept(lease, at_once=False):
        before = [t for t in threading.enumerate() if t.name == f"heart {SCOPE}"]
        leases.cover(lease, seconds=60)
        for _ in range(3):
            assert beats.acquire(timeout=30)

    assert before == []


def test_the_heart_stops_when_somebody_else_has_it(a: Leases, database: Database) -> None:
    leases = Leases(database, owner="A", ttl=0.03)
    lease = held(leases, database)
    expire(database)
    with database.write() as session:
        taken = Leases(database, owner="B", ttl=60).claim(session, SCOPE)
    assert taken is not None

    with leases.kept(lease):
        hearts = [t for t in threading.enumerate() if t.name == f"heart {SCOPE}"]
        for heart in hearts:
            heart.join(30)

    found = row(database)
    assert found is not None
    assert (found.owner, found.epoch) == ("B", 2)


def test_at_the_start_on_a_locked_file_every_lease_is_free(
    a: Leases, b: Leases, database: Database
) -> None:
    dead = held(a, database)

    free_all(database)

    assert held(b, database).epoch == 3
    with pytest.raises(FencedError), a.fenced(dead):
        pass


def test_a_zombie_adds_nothing_to_the_journal(
    world: World, outside: MemoryOutside, database: Database
) -> None:
    operation = world.promote(1)
    leases = Leases(database, owner="Z")
    with database.write() as session:
        lease = leases.claim(session, lease_scope(operation.id))
    assert lease is not None
    zombie = Ledger(operation.id, lease, database=database, leases=leases)
    entry = zombie.read().next()
    assert entry is not None
    expire(database, lease_scope(operation.id))
    world.run()
    assert world.journal.get(operation.id).state is OperationState.SUCCEEDED
    with database.read() as session:
        before = len(session.exec(select(OperationEventRow.id)).all())

    with pytest.raises(FencedError):
        zombie.started(entry, before="old")
    with pytest.raises(FencedError):
        zombie.done(entry, before="old", result=None)
    with pytest.raises(FencedError):
        zombie.turn_back()
    with pytest.raises(FencedError):
        zombie.run_local(entry, lambda _: {"revision": 9}, pivot=True)
    with pytest.raises(FencedError):
        zombie.finish(OperationState.COMPENSATED)

    with database.read() as session:
        assert len(session.exec(select(OperationEventRow.id)).all()) == before
    assert world.journal.get(operation.id).state is OperationState.SUCCEEDED
