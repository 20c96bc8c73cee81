"""Leases: who may drive something now, and the proof of it in every write.

A lease is a row. It is claimed by comparison with the database's clock; each
claim raises its epoch, and every write of the holder is made in a transaction
that names the epoch: a former holder that was paused or cut off can write
nothing. The holder's own limit is its monotonic clock, read *before* each
renewal, so it stops believing in its lease before anybody else can claim it.

What no lease can do: a holder that is stopped between its last check and an
outside call itself may still make that call later. Only the outside system
could refuse it (research/durable.md, section 4); the drift check finds it.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select, update

from trilock.server.domain.errors import UnavailableError
from trilock.server.store.clock import db_now_ms, is_ahead
from trilock.server.store.database import Database
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.tables import LeaseRow

TTL: Final = 10.0
"""Seconds until somebody else may take over from a holder that died."""

_LEASES: Final = LeaseRow.metadata.tables["lease"]

# Made once: it is part of every write, and making it takes longer than running it.
_THIS_ONE: Final = sa.and_(
    _LEASES.c.scope == sa.bindparam("of_scope"), _LEASES.c.epoch == sa.bindparam("of_epoch")
)
_RENEW: Final = (
    sa.update(_LEASES).where(_THIS_ONE).values(until_ms=db_now_ms() + sa.bindparam("ttl_ms"))
)
_FREE: Final = sa.update(_LEASES).where(_THIS_ONE).values(epoch=_LEASES.c.epoch + 1, until_ms=0)
_DROP: Final = sa.delete(_LEASES).where(_THIS_ONE)

_CALL_SHARE: Final = 0.8
"""How much of a lease an outside call may need, so that it ends before the lease does."""

_BEATS: Final = 3
"""How often a heart beats while a lease lasts."""

_log = logging.getLogger(__name__)


class FencedError(Exception):
    """Another holder has the scope: stop at once, touch nothing."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The right to drive *scope*. Its holder's own; renewed by every fenced write."""

    scope: str
    owner: str
    epoch: int
    safe_until: float
    """On this process's monotonic clock."""
    heart: threading.Thread | None = None
    """What keeps it alive from the first outside call on, if that is not begun yet."""


def is_held(session: Session, scope: str) -> bool:
    """Return whether somebody has the lease on *scope* now."""
    held = select(LeaseRow.scope).where(
        LeaseRow.scope == scope, col(LeaseRow.until_ms) >= db_now_ms()
    )
    return session.exec(held).first() is not None


class Leases:
    """The leases that one owner takes."""

    def __init__(self, database: Database, *, owner: str, ttl: float = TTL) -> None:
        self._database = database
        self._ttl = ttl
        self.owner = owner

    def claim(self, session: Session, scope: str) -> Lease | None:
        """Return the lease on *scope*, or None if somebody has it. Counts once committed."""
        before = time.monotonic()
        until = db_now_ms() + self._ttl_ms
        # A row that is being claimed or renewed right now is passed by, not waited for.
        row = session.exec(
            select(LeaseRow)
            .where(LeaseRow.scope == scope, ~is_ahead(col(LeaseRow.until_ms)))
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            epoch = 1
            if not insert_if_absent(
                session, LeaseRow, scope=scope, owner=self.owner, epoch=epoch, until_ms=until
            ):
                return None
        else:
            epoch = row.epoch + 1
            session.exec(
                update(LeaseRow)
                .where(col(LeaseRow.scope) == scope)
                .values(owner=self.owner, epoch=epoch, until_ms=until)
            )
        return Lease(scope=scope, owner=self.owner, epoch=epoch, safe_until=before + self._ttl)

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[Session]:
        """Yield a write session that exists only while *lease* is current, and renews it.

        It holds the lease's row, so no claim can come in between.

        Raises:
            FencedError: Somebody else has claimed it; nothing was written.
            UnavailableError: The database does not answer; nothing was written.
        """
        before = time.monotonic()
        with self._database.write() as session:
            self._renew(session, lease)
            yield session
        lease.safe_until = before + self._ttl

    def cover(self, lease: Lease, *, seconds: float) -> None:
        """Return when *lease* lasts for an outside call of *seconds*.

        A call may begin only if it must end before anybody else may claim. One
        that takes longer than any lease lives on the heartbeat.

        Raises:
            FencedError: Somebody else has claimed it: do not make the call.
        """
        needed = min(seconds, self._ttl * _CALL_SHARE)
        if lease.heart is not None:
            heart, lease.heart = lease.heart, None
            heart.start()
            # As if it had beaten all along: it lasts until the first beat, and beyond.
            needed = max(needed, self._ttl * 2 / _BEATS)
        if time.monotonic() + needed > lease.safe_until:
            with self.fenced(lease):
                pass

    @contextmanager
    def kept(self, lease: Lease, *, at_once: bool = True) -> Iterator[None]:
        """Keep *lease* alive by a heartbeat while the block runs.

        Args:
            lease: What to keep.
            at_once: False to begin with the first outside call that is covered. Who makes
                none, like a rollback without sinks, is done before the first beat.
        """
        over = threading.Event()
        heart = threading.Thread(
            target=self._beat, args=(lease, over), name=f"heart {lease.scope}", daemon=True
        )
        if at_once:
            heart.start()
        else:
            lease.heart = heart
        try:
            yield
        finally:
            over.set()
            if heart.ident is not None:
                heart.join()

    def free(self, session: Session, lease: Lease) -> None:
        """Give *lease* back, in the holder's fenced session.

        The epoch is raised, or a late heartbeat would bring the lease to life again.
        """
        session.connection().execute(_FREE, {"of_scope": lease.scope, "of_epoch": lease.epoch})

    def drop(self, session: Session, lease: Lease) -> None:
        """Give *lease* back for good: nothing is left to be driven on its scope."""
        session.connection().execute(_DROP, {"of_scope": lease.scope, "of_epoch": lease.epoch})

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl * 1000)

    def _renew(self, session: Session, lease: Lease) -> None:
        renewed = session.connection().execute(
            _RENEW, {"of_scope": lease.scope, "of_epoch": lease.epoch, "ttl_ms": self._ttl_ms}
        )
        if renewed.rowcount != 1:
            raise FencedError(f"{lease.scope}, epoch {lease.epoch}")

    def _beat(self, lease: Lease, over: threading.Event) -> None:
        while not over.wait(self._ttl / _BEATS):
            try:
                with self._database.write() as session:
                    self._renew(session, lease)
            except FencedError:
                return
            except UnavailableError as error:
                _log.warning("cannot renew the lease on %s: %s", lease.scope, error)


def free_all(database: Database) -> None:
    """Free every lease. Only under the FileLock of a SQLite file.

    Nobody else drives anything then, so a lease that is found is a dead process's.
    """
    with database.write() as session:
        session.exec(update(LeaseRow).values(epoch=col(LeaseRow.epoch) + 1, until_ms=0))
