"""One process after the other on one real world: all but the last are killed at a site.

A site is a place in the code of trilock between two things that last: every BEGIN
and COMMIT of its database, every place between them that the runner, the converger
or a sink names, and every COMMIT of MLflow and Feast. They are found by running.

Most of them leave behind, to the byte, what the next one does: the BEGIN and the
COMMIT of one transaction, all COMMITs of a plane that is only read. Those are one
crash (see remains.py), and it is enough to be killed once at the last of them.
"""

import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from sqlalchemy import Connection, Engine, event

from tests.crash.forks import LIFE_SECONDS, Child, in_child
from tests.crash.ground import Ground
from tests.crash.invariants import violations
from tests.crash.real_scenarios import BEGINNINGS, SCENARIOS, Beginning, Scenario
from tests.crash.remains import Remains
from tests.support.crash import NEVER, Bomb
from tests.support.real_world import RealWorld, Site
from trilock.server.workers.lease import free_all

_END_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02


class KillingBomb(Bomb):
    """Counts the sites that any thread comes to; the process ends at one of them."""

    def __init__(self, site: int = NEVER, *, remains: Remains | None = None) -> None:
        """Count from 1.

        Args:
            site: Where the process ends.
            remains: Looked at, at every site, if it is to be told which are one crash.
        """
        super().__init__(site)
        self._counting = threading.Lock()
        self._remains = remains
        self._left: list[tuple[str, str]] = []

    def __call__(self, name: str) -> None:
        # A lease is kept by a thread that beats when it is time to. It writes nothing but how
        # long the lease lasts; were it a site, all later ones had another number each time.
        if threading.current_thread().name.startswith("heart "):
            return
        with self._counting:
            self.seen.append(name)
            if len(self.seen) == self._site:
                os.kill(os.getpid(), signal.SIGKILL)
            if self._remains is not None:
                self._left.append(self._remains.look())
        if threading.get_ident() == self._thread:
            self.then(name)

    @property
    def crashes(self) -> tuple[int, ...]:
        """Of sites in a row at which the same remains, the last one: it has most under way."""
        left = [*self._left, None]
        return tuple(site for site in range(1, len(left)) if left[site - 1] != left[site])


def prepare(grounds: Sequence[Ground], scenarios: Mapping[str, Sequence[str]]) -> None:
    """Make the beginnings of *scenarios*, by the name of their ground.

    Each is made in a process of its own. What those import, this one imports, too: no
    process of a run has to.
    """
    making = [Child(partial(_prepare, ground, scenarios[ground.name])) for ground in grounds]
    for child in making:
        problem = child.end()
        assert problem is None, problem
        _import_told(child)


def _prepare(ground: Ground, scenarios: Sequence[str]) -> str:
    wanted: set[str] = set()
    for name, beginning in reversed(list(BEGINNINGS.items())):
        if name in wanted or any(SCENARIOS[scenario].begins == name for scenario in scenarios):
            wanted |= {name, beginning.after or name}
    known = set(sys.modules)
    for name, beginning in BEGINNINGS.items():
        if name not in wanted:
            continue
        child = Child(partial(_begin, beginning, ground.create(name, like=beginning.after)))
        problem = child.end()
        assert problem is None, problem
        _import_told(child)
    return " ".join(sorted(set(sys.modules) - known))


def _begin(beginning: Beginning, site: Site) -> str:
    known = set(sys.modules)
    beginning.act(RealWorld(site, in_place=beginning.in_place))
    return " ".join(sorted(set(sys.modules) - known))


def _import_told(child: Child) -> None:
    for module in child.told.split():
        # Some are made as they are loaded, and are in no file.
        with suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One world: a scenario, and the sites at which its processes are killed, in turn."""

    scenario: str
    kills: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run."""

    sites: int
    """How many the last process came to."""
    crashes: tuple[int, ...]
    """Those of them that are not the same crash as the next one; if nothing was killed."""
    violations: tuple[str, ...]


def perform(ground: Ground, run: Run) -> Outcome:
    """Let the processes of *run* live and die, let the last one finish, and look.

    To be called in a process that has opened nothing: it forks, and opens things afterwards.
    """
    name = f"run_{uuid4().hex[:12]}"
    scenario = SCENARIOS[run.scenario]
    site = ground.create(name, like=scenario.begins)
    found = []
    for kill in run.kills:
        problem = in_child(partial(_live, site, scenario, KillingBomb(kill)))
        if problem not in {None, "killed"}:
            found.append(f"a process was not killed but ended otherwise: {problem}")
        _outlast(site)
    with ExitStack() as stack:
        remains = None if run.kills else stack.enter_context(Remains(site))
        bomb = KillingBomb(remains=remains)
        world = _live(site, scenario, bomb)
    found += violations(world, scenario, said=_said(site).exists())
    # What is open is this process's, which ends: to close it would only take time.
    ground.remove(name)
    return Outcome(sites=len(bomb.seen), crashes=bomb.crashes, violations=tuple(found))


def _said(site: Site) -> Path:
    return site.folder / "said"


def _outlast(site: Site) -> None:
    """Let the leases of the dead run out: on a server it is time alone that ends them."""
    if site.feast_url is not None:
        with psycopg.connect(site.store_url) as connection:
            connection.execute("UPDATE lease SET until_ms = 0")


def _live(site: Site, scenario: Scenario, bomb: KillingBomb) -> RealWorld:
    """Start like a server does, do what the client asks for, and what is due, to the end."""
    signal.alarm(LIFE_SECONDS)
    world = RealWorld(site, at=bomb, in_place=BEGINNINGS[scenario.begins].in_place)
    if world.database.path is not None:
        # As under the file's lock: whoever had a lease is dead.
        free_all(world.database)
    with bomb.wired(world.database), _vendors_wired(world, bomb):
        scenario.act(world, bomb, _said(site))
        _settle(world)
    signal.alarm(0)
    return world


def _settle(world: RealWorld) -> None:
    """Drive what is due until nothing is left; wait for the leases of the dead."""
    pause = threading.Event()
    for _ in range(round(_END_SECONDS / _LOOK_SECONDS)):
        world.settle()
        if not world.busy():
            return
        pause.wait(_LOOK_SECONDS)


@contextmanager
def _vendors_wired(world: RealWorld, bomb: Bomb) -> Iterator[None]:
    """Make every COMMIT of an engine that is not trilock's a site."""

    def commit(connection: Connection) -> None:
        if connection.engine.url != world.database.engine.url:
            bomb("commit of a plane")

    event.listen(Engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(Engine, "commit", commit)
