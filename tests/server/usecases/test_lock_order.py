"""No two transactions on PostgreSQL wait for each other: everybody takes rows in one order.

Lease, locks, operations, live row, planes, store, holds; numbers of several models in the
order of their names. Who met in another order would wait a second for the database to end
one of the two, and one of the two may be a rollback.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa
from sqlmodel import col, delete, select, update

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import BusyError, PlaneUnavailableError, WrongStateError
from trilock.server.domain.names import BundleRef, model_name
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.operations.locks import take
from trilock.server.store.counters import allot_revision
from trilock.server.store.database import Database
from trilock.server.store.drifts import record_drifts
from trilock.server.store.holds import get_hold, put_hold
from trilock.server.store.releases import lock_live, reserve_release, reserve_releases
from trilock.server.store.tables import LockRow, PlaneStateRow, ReleaseRow
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.usecases.place_hold import place_hold
from trilock.server.usecases.reassert import reassert
from trilock.server.watching.drift_watcher import DriftWatcher

pytestmark = pytest.mark.slow

DEADLINE = 20.0
LATER = datetime.now(UTC) + timedelta(hours=1)
ETA = model_name("eta")
BAD = Cause(principal=ANN, reason="rolled back")


@pytest.fixture
def w(postgres_database: str, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as outside:
        made = outside.replica(postgres_database)
        yield made
        made.database.close()


@contextmanager
def meeting(
    database: Database, act: Callable[[], object]
) -> Iterator[Callable[[], Future[object]]]:
    """Yield what begins *act* in a thread, and returns once it waits for somebody's row."""
    with ThreadPoolExecutor(max_workers=1) as pool:

        def begin() -> Future[object]:
            doing = pool.submit(act)
            until = time.monotonic() + DEADLINE
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as look:
                while not look.scalar(_WAITING):
                    assert time.monotonic() < until, "it waits for nobody"
            return doing

        yield begin


_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def test_a_hold_by_hand_lets_a_pivot_through_that_puts_the_same_on_hold(w: World) -> None:
    bundle = w.record().ref
    with meeting(w.database, lambda: hold(w, bundle)) as begin:
        with w.database.write() as pivot:
            allot_revision(pivot)
            holding = begin()
            put_hold(pivot, bundle, cause=BAD)
        with pytest.raises(WrongStateError, match="on hold by ann already: rolled back"):
            holding.result(DEADLINE)


def test_who_lifts_a_hold_lets_a_pivot_through_that_renews_it(w: World) -> None:
    bundle = w.record().ref
    hold(w, bundle, expires=LATER)

    def lift() -> None:
        lift_hold(w.runtime, resource=bundle, reason="", principal=ANN)

    with meeting(w.database, lift) as begin:
        with w.database.write() as pivot:
            allot_revision(pivot)
            lifting = begin()
            put_hold(pivot, bundle, cause=BAD)
        lifting.result(DEADLINE)

    with w.database.read() as session:
        assert get_hold(session, bundle) is None


def test_releases_of_several_models_are_numbered_in_one_order_whoever_leads(w: World) -> None:
    def together() -> list[str]:
        with w.database.write() as session:
            return [str(one.ref) for one in reserve_releases(session, [ETA, MODEL])]

    with meeting(w.database, together) as begin:
        with w.database.write() as other:
            reserve_release(other, MODEL)
            reserving = begin()
            reserve_release(other, ETA)
        assert reserving.result(DEADLINE) == ["models/eta/releases/2", "models/delay/releases/2"]


def test_who_reasserts_lets_through_who_records_what_drifted(w: World) -> None:
    w.release(w.record())
    w.registry.set_alias(model="delay", alias="production", version=None)
    watcher = DriftWatcher(w.database, w, interval=60)
    watcher.look()

    def again() -> None:
        reassert(w.runtime, alias=ALIAS, reason="", principal=ANN)

    with meeting(w.database, again) as begin:
        with w.database.write() as looking:
            lock_live(looking, [ALIAS])
            asserting = begin()
            record_drifts(looking, ALIAS, [], unknown=())
        with pytest.raises(WrongStateError, match="without drift"):
            asserting.result(DEADLINE)


def test_who_gives_locks_back_lets_through_who_takes_them(w: World) -> None:
    """As they lie in the table, so they are removed; that is not the order of their names."""
    other = w.promote(w.record())
    w.runtime.journal.cancel(other.id)
    w.settle()
    operation = w.promote(w.record())
    w.runtime.journal.cancel(operation.id)
    with w.database.write() as session:
        session.exec(delete(LockRow))
    for scope in ("z", "a"):
        with w.database.write() as session:
            session.add(LockRow(scope=scope, operation=operation.id))

    with meeting(w.database, w.pivot) as begin:
        with w.database.write() as rollback:
            take(rollback, ["a"], operation_id=other.id, preempts=True)
            ending = begin()
            take(rollback, ["z"], operation_id=other.id, preempts=True)
        ending.result(DEADLINE)

    with w.database.read() as session:
        assert {row.operation for row in session.exec(select(LockRow))} == {other.id}
    assert w.runtime.journal.get(operation.id).state is OperationState.COMPENSATED


def test_who_wants_to_finalize_lets_a_pivot_through(w: World) -> None:
    soaks = w.settled(w.promote(w.record()))

    with meeting(w.database, w.finalize) as begin:
        with w.database.write() as pivot:
            take(pivot, [str(ALIAS)], operation_id=soaks.id, preempts=False)
            finalizing = begin()
            lock_live(pivot, [ALIAS])
        with pytest.raises(BusyError):
            finalizing.result(DEADLINE)


def test_a_release_that_becomes_final_lets_through_who_reports_for_the_fleet(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reports takes a plane that agrees already, and then the release."""
    w.register()
    w.settled(w.promote(w.record()))
    w.finalize()
    w.pivot()
    with monkeypatch.context() as patched:
        patched.setattr(w, "sink_database", silent)
        w.settle()
    w.retry_planes()

    with meeting(w.database, w.settle) as begin:
        with w.database.write() as reporting:
            reporting.exec(
                update(PlaneStateRow)
                .where(col(PlaneStateRow.plane) == "model_alias")
                .values(not_before_ms=0)
            )
            settling = begin()
            reporting.exec(update(ReleaseRow).values(acknowledged=1))
        settling.result(DEADLINE)

    assert w.live().state is ReleaseState.FINALIZED


def silent(connection: str) -> NoReturn:
    raise PlaneUnavailableError(plane=connection, what="it is down")


def hold(w: World, bundle: BundleRef, *, expires: datetime | None = None) -> None:
    place_hold(w.runtime, resource=bundle, reason="audit", expires=expires, principal=ANN)
