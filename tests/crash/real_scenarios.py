"""What a client asks of a trilock on real planes, and the only ways in which it may end.

A client sends the same request again, with the same id, until it is answered.
That is all it does about a crash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlmodel import col, select

from tests.crash.scenarios import assert_fenced
from tests.support.crash import Bomb
from tests.support.real_world import RealWorld
from tests.support.values import MODEL
from tests.support.world import SINK
from trilock.client.sinks import WriterFencedError
from trilock.server.domain.names import BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import get_sink
from trilock.server.store.tables import LockRow, OperationRow

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED
FIRST, SECOND, THIRD = (ReleaseRef(MODEL, number) for number in (1, 2, 3))

_OPERATIONS: Final = {"finalized": 2, "soaking": 3, "over": 4}
"""How many there were at each beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Everything a person could see at the end, in every plane."""

    operations: tuple[OperationState, ...]
    """Those of the scenario, oldest first."""
    bundle: int
    state: ReleaseState
    alias: str
    """The version that MLflow's alias points at."""
    temp: float
    """What Feast's mirror serves for JFK."""
    table: dict[str, float]
    apart: int
    """Rows of release 2 that are not in the table: staged, or taken out and kept."""


def finalized(world: RealWorld) -> None:
    """Release 1 is final, with a row AA1; three bundles are recorded."""
    world.make_table()
    world.register()
    first, _, _ = world.record(), world.record(variant="scaled"), world.record()
    world.release(first)
    world.write(FIRST, AA1=1.0)


def soaking(world: RealWorld) -> None:
    """Release 2 soaks on top of it, with AA1 and AA2 staged."""
    _promote(world, 2, request_id="before")
    world.settle()
    world.write(SECOND, AA1=9.0, AA2=2.0)


def over(world: RealWorld) -> None:
    """Release 2 is final."""
    world.finalize()
    world.settle()


BEGINNINGS: Final[Mapping[str, Callable[[RealWorld], None]]] = {
    "finalized": finalized,
    "soaking": soaking,
    "over": over,
}
"""Each goes on from the one before it."""


def promote(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _promote(world, 2)


def roll_back(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.roll_back(leaves=SECOND, request_id="r")


def finalize(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.finalize(request_id="f")


def abort(world: RealWorld, bomb: Bomb, said: Path) -> None:
    def cancel(site: str) -> None:
        if site == "deploy_features:done":
            world.runtime.journal.cancel(operation.id, reason="changed my mind")
            said.touch()

    operation = _promote(world, 2)
    bomb.then = cancel


def pre_empt(world: RealWorld, bomb: Bomb, said: Path) -> None:
    def press(site: str) -> None:
        if site == "deploy_features:done":
            world.roll_back(leaves=SECOND, request_id="r")
            said.touch()

    bomb.then = press
    _promote(world, 3)


def _promote(world: RealWorld, number: int, *, request_id: str = "p") -> Operation:
    with world.database.read() as session:
        bundle = get_bundle(session, BundleRef(MODEL, number))
    return world.promote(bundle, request_id=request_id)


WENT: Final = Ending(
    operations=(SUCCEEDED,),
    bundle=2,
    state=ReleaseState.SOAKING,
    alias="2",
    temp=2000.0,
    table={"AA1": 1.0},
    apart=0,
)
STAYED: Final = replace(
    WENT,
    operations=(COMPENSATED,),
    bundle=1,
    state=ReleaseState.FINALIZED,
    alias="1",
    temp=20.0,
)
WENT_BACK: Final = replace(STAYED, operations=(SUCCEEDED,), apart=2)
FINAL: Final = replace(WENT, state=ReleaseState.FINALIZED, table={"AA1": 9.0, "AA2": 2.0})
PRE_EMPTED: Final = replace(WENT_BACK, operations=(COMPENSATED, SUCCEEDED))
WENT_ON: Final = replace(FINAL, bundle=3, state=ReleaseState.SOAKING, alias="3", temp=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a client asks for, from where, and the only ways in which it may end."""

    begins: str
    act: Callable[[RealWorld, Bomb, Path], None]
    ends: tuple[Ending, ...]
    unless_said: tuple[Ending, ...] = ()
    """Other ways, if the process died before it had taken the second request."""
    fenced: bool = False
    """Whether writers of release 2 write nothing any more."""


SCENARIOS: Final = {
    "promote": Scenario(begins="finalized", act=promote, ends=(WENT,)),
    "abort": Scenario(begins="finalized", act=abort, ends=(STAYED,), unless_said=(WENT,)),
    "roll_back": Scenario(begins="soaking", act=roll_back, ends=(WENT_BACK,), fenced=True),
    "finalize": Scenario(begins="soaking", act=finalize, ends=(FINAL,)),
    "undo": Scenario(begins="over", act=roll_back, ends=(WENT_BACK,), fenced=True),
    "pre_empt": Scenario(begins="over", act=pre_empt, ends=(PRE_EMPTED,), unless_said=(WENT_ON,)),
}


def violations(world: RealWorld, scenario: Scenario, *, said: bool) -> list[str]:
    """Return what is not as it must be, one line each."""
    found = _left_over(world)
    ends = scenario.ends if said else scenario.ends + scenario.unless_said
    seen = ending(world, scenario)
    if seen not in ends:
        found.append(f"it ended as {seen}, not as {' or '.join(map(str, ends))}")
    if scenario.fenced and seen in scenario.ends:
        found += _late_writer(world)
    return found


def ending(world: RealWorld, scenario: Scenario) -> Ending:
    """Return how it ended."""
    live = world.live()
    with world.database.read() as session:
        rows = session.exec(select(OperationRow).order_by(col(OperationRow.created_ms))).all()
        epoch = get_release(session, SECOND).epoch if live.release.number > 1 else None
        sink = get_sink(session, SINK)
    staged = world.sink_database("warehouse").count_staged(sink, epoch=epoch or 0)
    temp = world.mirrored()["temp"]
    assert isinstance(temp, float)
    return Ending(
        operations=tuple(OperationState(row.state) for row in rows[_OPERATIONS[scenario.begins] :]),
        bundle=live.bundle.number,
        state=live.state,
        alias=world.alias() or "",
        temp=temp,
        table=world.table(),
        apart=staged.rows,
    )


def _left_over(world: RealWorld) -> list[str]:
    """Look for locks that nobody needs, and for writes of a driver after a later one."""
    found = []
    with world.database.read() as session:
        if locks := session.exec(select(LockRow)).all():
            found.append(f"I4: nobody needs these locks: {locks}")
        for operation in session.exec(select(OperationRow)).all():
            try:
                assert_fenced(session, operation.id)
            except AssertionError:
                found.append(f"I4: a driver of {operation.id} wrote after a later one")
    return found


def _late_writer(world: RealWorld) -> list[str]:
    before = world.table()
    try:
        world.write(SECOND, AA3=3.0)
    except WriterFencedError:
        return [] if world.table() == before else ["I5: a late writer wrote"]
    return ["I5: a late writer was not fenced"]
