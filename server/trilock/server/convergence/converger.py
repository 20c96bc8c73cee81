"""Drives every plane of every alias to the present live row, until they are equal.

Level-triggered: a newer pivot simply changes what a plane is driven to, however
many came meanwhile. Each plane of each alias has a lease of its own and is
driven in a thread of its own, so one that is stuck holds up no other, and it
locks nothing: a rollback goes on over it.
"""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlmodel import Session

from trilock.server.convergence.backlog import Behind, aliases_behind
from trilock.server.convergence.following import Following, OnConverged
from trilock.server.convergence.projection import Projection
from trilock.server.domain.errors import TrilockError, UnavailableError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.release import LiveRow, ReleaseState
from trilock.server.operations.journal import Journal
from trilock.server.operations.step import Checkpoint, describe
from trilock.server.store.database import Database
from trilock.server.store.plane_states import get_demand, plane_scope
from trilock.server.store.releases import require_live
from trilock.server.workers.backoff import Backoff, backoff
from trilock.server.workers.lease import TTL, FencedError, Lease, Leases
from trilock.server.workers.pool import Workers

_POLL_SECONDS: Final = 0.5

_AT_MOST: Final = 8
"""How many aliases one kind of plane is driven for at once. Kinds do not share room."""

_PUZZLED_SECONDS: Final = 30.0
"""When an alias is looked at again whose planes cannot even be named."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One plane of one alias that does not agree yet, and may be tried now."""

    alias: AliasRef
    projection: Projection
    attempts: int

    @property
    def scope(self) -> str:
        """The scope of its lease."""
        return plane_scope(self.alias, self.projection.name)


class Converger:
    """Drives the planes of one database's live rows."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        projections: Callable[[LiveRow], Sequence[Projection]],
        *,
        on_converged: OnConverged = lambda _session, _live: None,
        owner: str = "",
        ttl: float = TTL,
        poll: float = _POLL_SECONDS,
        backoff: Backoff = backoff,
        at: Checkpoint = lambda _: None,
    ) -> None:
        """Do nothing yet.

        Args:
            database: Where live rows are.
            journal: Tells when to look for changed ones.
            projections: Names the planes that follow a live row.
            on_converged: Called in the transaction in which those agree
                that hold its release.
            owner: What this converger is called in leases and events.
            ttl: Seconds until another one takes over after this one has died.
            poll: Seconds after which retries, and changes by other replicas, are looked for.
            backoff: Seconds between two attempts.
            at: Crash sites, for tests.
        """
        self._database = database
        self._projections = projections
        self._on_converged = on_converged
        self._leases = Leases(database, owner=owner or uuid.uuid4().hex[:12], ttl=ttl)
        self._backoff = backoff
        self._at = at
        self._workers = Workers("converger", look=self._look, nudge=journal.nudge, poll=poll)
        self._everything = True
        """Until all aliases were looked at once: which planes they have may be new."""
        self._puzzled: dict[AliasRef, float] = {}

    def start(self) -> None:
        """Start driving, in threads."""
        self._workers.start()

    def stop(self, timeout: float) -> bool:
        """Take on nothing more; return whether *timeout* was enough for what is under way."""
        return self._workers.stop(timeout)

    def run_due(self) -> int:
        """Drive, in this thread, everything that is due; return how often a plane was driven."""
        driven = 0
        while due := [task for task in self._due() if self._drive(task)]:
            driven += len(due)
        return driven

    def _look(self) -> None:
        busy = self._workers.busy()
        room = Counter(scope.rpartition("/")[2] for scope in busy)
        for task in self._due():
            name = task.projection.name
            if task.scope not in busy and room[name] < _AT_MOST:
                room[name] += 1
                self._workers.spawn(task.scope, partial(self._drive, task))

    def _due(self) -> list[_Task]:
        """Return what to drive now, fresh work first; settle what needs no driving."""
        with self._database.read() as session:
            aliases = aliases_behind(session, everything=self._everything)
        tasks: list[_Task] = []
        for behind in aliases:
            alias = behind.live.alias
            if self._puzzled.get(alias, 0.0) > time.monotonic():
                continue
            try:
                tasks += self._tasks(behind)
            except UnavailableError:
                raise
            except Exception:  # noqa: BLE001 - one alias must not hold up the others
                _log.exception("cannot settle, or name the planes of, %s", alias)
                self._puzzled[alias] = time.monotonic() + _PUZZLED_SECONDS
        self._everything = False
        return sorted(tasks, key=lambda task: task.attempts)

    def _tasks(self, behind: Behind) -> list[_Task]:
        alias = behind.live.alias
        projections = self._projections(behind.live)
        planes = {projection.name: behind.plane(projection.name) for projection in projections}
        whole = all(plane.agrees for plane in planes.values())
        finished = behind.live.state is ReleaseState.FINALIZING and all(
            planes[projection.name].agrees for projection in projections if projection.holds_release
        )
        if behind.unsettled or ((whole or finished) and not behind.told):
            with self._database.write() as session:
                following = Following(session, alias, owner=self._leases.owner)
                following.settle(projections, on_converged=self._on_converged)
        return [
            _Task(alias=alias, projection=projection, attempts=planes[projection.name].attempts)
            for projection in projections
            if planes[projection.name].due and not planes[projection.name].agrees
        ]

    def _drive(self, task: _Task) -> bool:
        """Drive one plane once; return whether it could be claimed."""
        with self._database.write() as session:
            lease = self._leases.claim(session, task.scope)
        if lease is None:
            return False
        self._at(f"{task.projection.name}:claimed")
        with self._leases.kept(lease):
            try:
                self._follow(task, lease)
            except FencedError as error:
                _log.info("taken over: %s", error)
            except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
                self._fail(task, lease, error)
        return True

    def _follow(self, task: _Task, lease: Lease) -> None:
        plane = task.projection
        with self._database.read() as session:
            live = require_live(session, task.alias)
            demand = get_demand(session, task.alias, plane=plane.name)
        planes = self._projections(live)
        self._leases.cover(lease, seconds=plane.timeout)
        wanted, found = plane.wanted(live), plane.observe(live)
        self._at(f"{plane.name}:observed")
        if found != wanted or demand.rewrite:
            with self._leases.fenced(lease) as session:
                self._following(session, task, lease).differs(
                    plane.name,
                    wanted=wanted,
                    found=found,
                    shared=plane.shared,
                    absolute=plane.absolute,
                )
            self._at(f"{plane.name}:noted")
            self._leases.cover(lease, seconds=plane.timeout)
            plane.apply(live)
            self._at(f"{plane.name}:applied")
            self._leases.cover(lease, seconds=plane.timeout)
            wanted, found = plane.wanted(live), plane.observe(live)
            if found != wanted:
                raise UnavailableError(f"it is {found!r} after it was made {wanted!r}")
        with self._leases.fenced(lease) as session:
            following = self._following(session, task, lease)
            following.agrees(plane.name, revision=live.revision, demand=demand.number, value=found)
            following.settle(planes, on_converged=self._on_converged)
            self._leases.free(session, lease)
        self._at(f"{plane.name}:agrees")

    def _fail(self, task: _Task, lease: Lease, error: Exception) -> None:
        _, message = describe(error)
        if not isinstance(error, TrilockError):
            _log.error("%s", task.scope, exc_info=error)
        try:
            with self._leases.fenced(lease) as session:
                self._following(session, task, lease).failed(
                    task.projection.name, error=message, backoff=self._backoff
                )
                self._leases.free(session, lease)
        except FencedError as fenced:
            _log.info("taken over: %s", fenced)
        self._at(f"{task.projection.name}:failed")

    def _following(self, session: Session, task: _Task, lease: Lease) -> Following:
        return Following(session, task.alias, owner=lease.owner, epoch=lease.epoch)
