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
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import get_sink
from trilock.server.store.tables import LockRow, OperationRow
from trilock.server.usecases.abort import abort

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED
FIRST, SECOND, THIRD = (ReleaseRef(MODEL, number) for number in (1, 2, 3))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A world in which scenarios begin."""

    after: str | None
    """The beginning that it goes on from; None for an empty world."""
    act: Callable[[RealWorld], None]
    operations: int
    """How many there were by then."""
    in_place: bool = False


BEGINNINGS: Final[Mapping[str, Beginning]] = {
    "finalized": Beginning(after=None, act=finalized, operations=2),
    "soaking": Beginning(after="finalized", act=soaking, operations=3),
    "over": Beginning(after="soaking", act=over, operations=4),
    "finalized_in_place": Beginning(after=None, act=finalized, operations=2, in_place=True),
    "soaking_in_place": Beginning(
        after="finalized_in_place", act=soaking, operations=3, in_place=True
    ),
}
"""Each comes after what it goes on from."""


def promote(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _promote(world, 2)


def roll_back(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.roll_back(leaves=SECOND, request_id="r")


def finalize(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.finalize(request_id="f")


def abort_early(world: RealWorld, bomb: Bomb, said: Path) -> None:
    def press(site: str) -> None:
        if site == "deploy_features:done":
            _abort(world, operation)
            said.touch()

    operation = _promote(world, 2)
    bomb.then = press


def abort_late(world: RealWorld, bomb: Bomb, said: Path) -> None:
    promotions = [
        operation
        for operation in world.runtime.journal.list()
        if operation.kind is OperationKind.PROMOTE
    ]
    _abort(world, promotions[0])


def _abort(world: RealWorld, operation: Operation) -> None:
    abort(
        world.runtime,
        operation.id,
        reason="changed my mind",
        incident="",
        request_id="a",
        validate_only=False,
        principal="ann",
    )


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
    "abort_early": Scenario(
        begins="finalized", act=abort_early, ends=(STAYED,), unless_said=(WENT,)
    ),
    "abort_late": Scenario(begins="soaking", act=abort_late, ends=(WENT_BACK,), fenced=True),
    "roll_back": Scenario(begins="soaking", act=roll_back, ends=(WENT_BACK,), fenced=True),
    "promote_in_place": Scenario(begins="finalized_in_place", act=promote, ends=(WENT,)),
    "roll_back_in_place": Scenario(
        begins="soaking_in_place", act=roll_back, ends=(WENT_BACK,), fenced=True
    ),
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
    before = BEGINNINGS[scenario.begins].operations
    temp = world.mirrored()["temp"]
    assert isinstance(temp, float)
    return Ending(
        operations=tuple(OperationState(row.state) for row in rows[before:]),
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
