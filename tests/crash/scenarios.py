"""What a client does, where it may end, and the processes that live and die meanwhile."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from sqlmodel import Session, col, delete, select

from tests.support.crash import Bomb
from tests.support.operations import PLANES, MemoryOutside, Outside, World, populate
from trilock.server.domain.operation import OperationState
from trilock.server.store.database import Database
from trilock.server.store.tables import (
    LeaseRow,
    LockRow,
    OperationEventRow,
    OperationRow,
    OperationStepRow,
)
from trilock.server.workers.lease import free_all

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED
NEW = {"staging": "s2", "features": "f2", "alias": "2", "mirror": "2"}
OLD = {"staging": "s1", "features": "f1", "alias": "1", "mirror": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Everything a person could see at the end."""

    states: tuple[OperationState, ...]
    """Of the operations, oldest first."""
    outside: dict[str, str]
    bundle: int
    counted: int


WENT = Ending(states=(SUCCEEDED,), outside=NEW, bundle=2, counted=2)
FINALIZED = Ending(states=(SUCCEEDED,), outside=OLD, bundle=1, counted=1)
STAYED = Ending(states=(COMPENSATED,), outside=OLD, bundle=1, counted=1)


Said = set[str]
"""What a client was told, and may rely on, whatever crashes afterwards."""


def promote(world: World, bomb: Bomb, said: Said) -> None:
    world.promote(2, request_id="p")
    world.run()


def promote_refused(world: World, bomb: Bomb, said: Said) -> None:
    world.promote(2, request_id="p", trouble="refused")
    world.run()


def promote_lost(world: World, bomb: Bomb, said: Said) -> None:
    world.promote(2, request_id="p", trouble="lost")
    world.run()


def promote_cancelled(world: World, bomb: Bomb, said: Said) -> None:
    operation = world.promote(2, request_id="p")

    def cancel(site: str) -> None:
        if site == "count_up:done":
            world.journal.cancel(operation.id, reason="changed my mind")
            said.add("cancelled")

    bomb.then = cancel
    world.run()


def promote_preempted(world: World, bomb: Bomb, said: Said) -> None:
    def roll_back(site: str) -> None:
        if site == "count_up:done":
            world.roll_back(3, request_id="r")
            said.add("preempted")

    bomb.then = roll_back
    world.promote(2, request_id="p")
    world.run()
    world.roll_back(3, request_id="r")
    world.run()


def finalize(world: World, bomb: Bomb, said: Said) -> None:
    world.finalize(request_id="f")
    world.run()


def ends_of_cancelled(said: Said) -> tuple[Ending, ...]:
    return (STAYED,) if "cancelled" in said else (WENT, STAYED)


def ends_of_preempted(said: Said) -> tuple[Ending, ...]:
    planes = {"alias": "1", "mirror": "1"}
    stayed = replace(STAYED, states=(COMPENSATED, SUCCEEDED), bundle=3, outside={**OLD, **planes})
    went = replace(WENT, states=(SUCCEEDED, SUCCEEDED), bundle=3, outside={**NEW, **planes})
    return (stayed,) if "preempted" in said else (stayed, went)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a client does, again and again with the same request ids, and how it may end."""

    act: Callable[[World, Bomb, Said], None]
    ends: Callable[[Said], tuple[Ending, ...]]
    """None of them is in between."""
    soaking: bool = False
    """Whether release 1 soaks at first, or is finalized."""
    planes: tuple[str, ...] = PLANES
    since: str = "begin"
    """The first site of its own; up to there it is like the others."""


SCENARIOS = {
    "promote": Scenario(act=promote, ends=lambda _: (WENT,)),
    "refused": Scenario(act=promote_refused, ends=lambda _: (STAYED,)),
    # The answer dies with the process, perhaps: then only what is there counts.
    "lost": Scenario(act=promote_lost, ends=lambda _: (WENT, STAYED), since="count_up:done"),
    "cancelled": Scenario(act=promote_cancelled, ends=ends_of_cancelled, since="count_up:done"),
    "preempted": Scenario(
        act=promote_preempted, ends=ends_of_preempted, planes=(), since="count_up:done"
    ),
    "finalize": Scenario(act=finalize, ends=lambda _: (FINALIZED,), soaking=True),
}


def make_templates(folder: Path) -> dict[bool, Path]:
    """Make databases on which release 1 is live: one where it is soaking, one finalized."""
    database = Database(f"sqlite:///{folder / 'trilock.db'}")
    world = World(database, MemoryOutside())
    populate(database)
    world.promote(1)
    world.run()
    soaking = snapshot(database, folder / "soaking.db")
    world.finalize()
    world.run()
    return {True: soaking, False: snapshot(database, folder / "finalized.db")}


def snapshot(database: Database, file: Path) -> Path:
    """Copy *database*, but for its operations."""
    with database.write() as session:
        for row in (OperationEventRow, OperationStepRow, OperationRow):
            session.exec(delete(row))
    database.close()
    assert database.path is not None
    shutil.copy(database.path, file)
    return file


class Life:
    """One process that works on a database."""

    def __init__(
        self, database: Database, outside: Outside, scenario: Scenario, said: Said, bomb: Bomb
    ) -> None:
        self._database = database
        self._outside = outside
        self._scenario = scenario
        self._said = said
        self._bomb = bomb

    def live(self) -> None:
        """Start like a server does, and do what the client asks for."""
        world = World(self._database, self._outside, at=self._bomb, planes=self._scenario.planes)
        free_all(self._database)
        with self._bomb.wired(self._database):
            self._scenario.act(world, self._bomb, self._said)


def ending(database: Database, outside: Outside) -> Ending:
    """Return how it ended, after looking whether anything is left over."""
    world = World(database, outside)
    live = world.live()
    assert live is not None
    with database.read() as session:
        rows = session.exec(select(OperationRow).order_by(col(OperationRow.created_ms))).all()
        assert session.exec(select(LockRow)).all() == []
        assert [lease for lease in session.exec(select(LeaseRow)) if lease.until_ms] == []
        for row in rows:
            assert_fenced(session, row.id)
        states = tuple(OperationState(row.state) for row in rows)
    counted = world.counted()
    # Or the pool would go on with this file when the next one has taken its name.
    database.close()
    return Ending(
        states=states,
        outside={register: outside.read(register) for register in OLD},
        bundle=live.bundle.number,
        counted=counted,
    )


def assert_fenced(session: Session, operation: str) -> None:
    """No driver wrote after a later one."""
    query = select(OperationEventRow.epoch, OperationEventRow.kind).where(
        OperationEventRow.operation == operation
    )
    events = session.exec(query.order_by(col(OperationEventRow.id))).all()
    # After the pivot the convergers of its planes write, each with a lease of its own.
    drivers = takewhile(lambda found: found[1] != "converging", events)
    epochs = [epoch for epoch, _ in drivers if epoch]
    assert epochs == sorted(epochs), events
