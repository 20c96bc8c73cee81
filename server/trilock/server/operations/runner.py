"""Runs operations up to their pivots: claims those that are due, drives each in a thread.

Any number of runners on one database. An operation is due when nobody has its
lease and its time has come; who died with a lease is followed at the lease's end.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.errors import UnavailableError
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.driver import ATTEMPTS, Driver
from trilock.server.operations.journal import Journal
from trilock.server.operations.ledger import Ledger, Reading
from trilock.server.operations.records import ACTIVE, lease_scope, lock_operation, note
from trilock.server.operations.step import Checkpoint, Part
from trilock.server.planning.plan import PLAN_VERSION
from trilock.server.store.clock import db_now_ms, is_ahead
from trilock.server.store.database import Database
from trilock.server.store.tables import LeaseRow, OperationRow
from trilock.server.workers.backoff import Backoff, backoff
from trilock.server.workers.lease import TTL, FencedError, Lease, Leases
from trilock.server.workers.pool import Workers

_POLL_SECONDS: Final = 0.5

_AT_MOST: Final = 16
"""How many operations run at once. Rollbacks do not count: they never wait for room."""

_log = logging.getLogger(__name__)


class Runner:
    """Drives the operations of one database."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        parts: Mapping[str, Part],
        *,
        owner: str = "",
        ttl: float = TTL,
        poll: float = _POLL_SECONDS,
        attempts: int = ATTEMPTS,
        backoff: Backoff = backoff,
        at: Checkpoint = lambda _: None,
    ) -> None:
        """Do nothing yet.

        Args:
            database: Where operations are.
            journal: Tells when to look for new ones.
            parts: Every step and every gate there is, by name.
            owner: What this runner is called in leases and events; by default a random name.
            ttl: Seconds until another runner takes over after this one has died.
            poll: Seconds after which retries, and work of other replicas, are looked for.
            attempts: How often a step is begun before its operation turns back.
            backoff: Seconds between two attempts.
            at: Crash sites, for tests.
        """
        self._database = database
        self._parts = parts
        self._leases = Leases(database, owner=owner or uuid.uuid4().hex[:12], ttl=ttl)
        self._attempts = attempts
        self._backoff = backoff
        self._at = at
        self._journal = journal
        self._workers = Workers("runner", look=self._look, nudge=journal.nudge, poll=poll)

    def start(self) -> None:
        """Start driving, in threads; what pre-empts is claimed with its submission."""
        self._workers.start()
        self._journal.take_at_once(self._take)

    def stop(self, timeout: float) -> bool:
        """Free what is driven, after its present step; return whether *timeout* was enough."""
        return self._workers.stop(timeout)

    def run_due(self) -> int:
        """Drive, in this thread, everything that is due; return how often something was driven."""
        driven = 0
        while due := [id_ for id_, _ in self._due() if self.drive(id_)]:
            driven += len(due)
        return driven

    def drive(self, operation_id: str) -> bool:
        """Drive one operation, in this thread: past its pivot, to its end, or until it waits.

        Returns:
            Whether it could be claimed.

        Raises:
            UnavailableError: The database does not answer.
        """
        lease = self._claim(operation_id)
        if lease is None:
            return False
        self._drive(operation_id, lease)
        return True

    def _drive(self, operation_id: str, lease: Lease, *, known: Reading | None = None) -> None:
        self._at("claimed")
        ledger = Ledger(operation_id, lease, database=self._database, leases=self._leases)
        driver = Driver(
            ledger,
            parts=self._parts,
            attempts=self._attempts,
            backoff=self._backoff,
            at=self._at,
            known=known,
        )
        with self._leases.kept(lease, at_once=False):
            try:
                while driver.turn():
                    if self._workers.stopping:
                        ledger.let_go()
                        break
            except FencedError as error:
                _log.info("taken over: %s", error)

    def _take(self, session: Session, operation: Operation) -> Callable[[], None]:
        """Claim what *session* submits; return what drives it once that is committed.

        One durable commit less, and no look, between a rollback's call and its pivot.
        """
        lease = self._leases.claim(session, lease_scope(operation.id))
        if lease is None:
            raise ValueError(f"somebody has the lease on {operation.name}, which is new")
        note(session, operation.id, kind="claimed", epoch=lease.epoch, owner=lease.owner)
        return partial(self._begin, Reading.submitted(operation), lease)

    def _begin(self, known: Reading, lease: Lease) -> None:
        operation_id = known.operation.id
        if self._workers.spawn(
            operation_id, partial(self._drive, operation_id, lease, known=known)
        ):
            return
        # It stops. What is not freed here is followed at the lease's end.
        with suppress(FencedError, UnavailableError), self._leases.fenced(lease) as session:
            self._leases.free(session, lease)

    def _look(self) -> None:
        busy = self._workers.busy()
        room = _AT_MOST - len(busy)
        for operation_id, kind in self._due():
            if operation_id not in busy and (room > 0 or kind == OperationKind.ROLL_BACK):
                room -= 1
                self._workers.spawn(operation_id, partial(self.drive, operation_id))

    def _due(self) -> list[tuple[str, str]]:
        held = (
            select(LeaseRow.scope)
            .where(
                LeaseRow.scope == sa.literal("operations/").concat(OperationRow.id),
                is_ahead(col(LeaseRow.until_ms)),
            )
            .exists()
        )
        told_to_turn_back = sa.and_(
            col(OperationRow.state) == OperationState.RUNNING.value,
            col(OperationRow.abort_at_ms) <= db_now_ms(),
        )
        query = (
            select(OperationRow.id, OperationRow.kind)
            .where(
                col(OperationRow.state).in_(ACTIVE),
                OperationRow.plan_version <= PLAN_VERSION,
                sa.or_(
                    col(OperationRow.not_before_ms) <= db_now_ms(),
                    ~is_ahead(col(OperationRow.not_before_ms)),
                    told_to_turn_back,
                ),
                ~held,
            )
            .order_by(
                col(OperationRow.kind) != OperationKind.ROLL_BACK.value,
                col(OperationRow.created_ms),
                col(OperationRow.id),
            )
        )
        with self._database.read() as session:
            return [(id_, kind) for id_, kind in session.exec(query)]

    def _claim(self, operation_id: str) -> Lease | None:
        with self._database.write() as session:
            lease = self._leases.claim(session, lease_scope(operation_id))
            if lease is None or not self._is_active(session, lease, operation_id):
                return None
        return lease

    def _is_active(self, session: Session, lease: Lease, operation_id: str) -> bool:
        row = lock_operation(session, operation_id)
        if row.state not in ACTIVE:
            # Somebody else brought it to its end since this runner looked.
            self._leases.drop(session, lease)
            return False
        note(session, row.id, kind="claimed", epoch=lease.epoch, owner=lease.owner)
        return True
