"""What a client asks of a trilock on real planes, and the only ways in which it may end.

A client sends the same request again, with the same id, until it is answered.
That is all it does about a crash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.crash import Bomb
from tests.support.real_world import ETA, ETA_ALIAS, RealWorld
from tests.support.values import ALIAS, MODEL
from tests.support.world import WIDER_INPUTS
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import BundleRef, ReleaseRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.planning.trial import Trial
from trilock.server.store.bundles import get_bundle
from trilock.server.usecases.abort import abort
from trilock.server.usecases.derive_bundle import Half, derive_bundle
from trilock.server.usecases.promote_together import Subject

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
    canary: int = 0
    """The share of the canary."""
    eta: tuple[int, ReleaseState, str] | None = None
    """The bundle and the state of the second model, and its alias in MLflow."""


def recorded(world: RealWorld) -> None:
    """Three bundles of `delay` are recorded, and two of `eta`; nothing was ever released."""
    world.make_table()
    world.register()
    for variant in ("celsius", "scaled", "celsius"):
        world.record(variant=variant)
    for variant in ("celsius", "scaled"):
        world.record_eta(variant=variant)


def finalized(world: RealWorld) -> None:
    """Release 1 is final, with a row AA1."""
    world.release(_bundle(world, BundleRef(MODEL, 1)))
    world.write(FIRST, AA1=1.0)


def wider(world: RealWorld) -> None:
    """A fourth bundle is recorded: it has one feature more, and a model that reads it."""
    world.record(variant="wider", inputs=WIDER_INPUTS)


def canary(world: RealWorld) -> None:
    """Release 2 is on trial beside it, with AA1 and AA2 staged."""
    _start_canary(world, request_id="before")
    world.settle()
    world.write(SECOND, AA1=9.0, AA2=2.0)


def both(world: RealWorld) -> None:
    """A release of the second model is final, too."""
    world.promote(_bundle(world, BundleRef(ETA, 1)), alias=ETA_ALIAS)
    world.settle()
    world.finalize(alias=ETA_ALIAS)
    world.settle()


def both_soaking(world: RealWorld) -> None:
    """Releases 2 of both soak, since one pivot; AA1 and AA2 are staged."""
    _promote_both(world, request_id="before")
    world.settle()
    world.write(SECOND, AA1=9.0, AA2=2.0)


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
    "recorded": Beginning(after=None, act=recorded, operations=0),
    "finalized": Beginning(after="recorded", act=finalized, operations=2),
    "soaking": Beginning(after="finalized", act=soaking, operations=3),
    "over": Beginning(after="soaking", act=over, operations=4),
    "canary": Beginning(after="finalized", act=canary, operations=3),
    "both": Beginning(after="finalized", act=both, operations=4),
    "both_soaking": Beginning(after="both", act=both_soaking, operations=6),
    "finalized_in_place": Beginning(after="recorded", act=finalized, operations=2, in_place=True),
    "wider_in_place": Beginning(after="finalized_in_place", act=wider, operations=2, in_place=True),
    "soaking_in_place": Beginning(
        after="finalized_in_place", act=soaking, operations=3, in_place=True
    ),
}
"""Each comes after what it goes on from."""


def promote(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _promote(world, 2)


def features_first(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _promote_wider(world)


def abort_features_first(world: RealWorld, bomb: Bomb, said: Path) -> None:
    def press(site: str) -> None:
        if site == "swap_features:done":
            _abort(world, operation)
            said.touch()

    operation = _promote_wider(world)
    bomb.then = press


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


def start_canary(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _start_canary(world)


def advance(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.advance(50, request_id="a")


def go_live(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.advance(100, request_id="a")


def promote_both(world: RealWorld, bomb: Bomb, said: Path) -> None:
    _promote_both(world)


def roll_back_both(world: RealWorld, bomb: Bomb, said: Path) -> None:
    world.roll_back(leaves=SECOND, request_id="r")
    world.roll_back(alias=ETA_ALIAS, leaves=ReleaseRef(ETA, 2), request_id="q")


def only_model(world: RealWorld, bomb: Bomb, said: Path) -> None:
    derived, _ = derive_bundle(
        world.runtime, alias=ALIAS, bundle=BundleRef(MODEL, 1), only=Half.MODEL, principal="ann"
    )
    world.promote(derived, request_id="p")


def _promote(world: RealWorld, number: int, *, request_id: str = "p") -> Operation:
    return world.promote(_bundle(world, BundleRef(MODEL, number)), request_id=request_id)


def _promote_wider(world: RealWorld) -> Operation:
    # Nobody accepts a window: the features go first.
    bundle = _bundle(world, BundleRef(MODEL, 4))
    return world.promote(bundle, request_id="p", accept_window="")


def _start_canary(world: RealWorld, *, request_id: str = "p") -> None:
    bundle = _bundle(world, BundleRef(MODEL, 2))
    world.promote(bundle, trial=Trial(percent=10), request_id=request_id)


def _promote_both(world: RealWorld, *, request_id: str = "p") -> None:
    world.promote_together(
        Subject(alias=ALIAS, bundle=BundleRef(MODEL, 2)),
        Subject(alias=ETA_ALIAS, bundle=BundleRef(ETA, 2)),
        request_id=request_id,
    )


def _bundle(world: RealWorld, ref: BundleRef) -> Bundle:
    with world.database.read() as session:
        return get_bundle(session, ref)


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
WIDER: Final = replace(WENT, bundle=4, alias="4", temp=20.0)
WENT_BACK: Final = replace(STAYED, operations=(SUCCEEDED,), apart=2)
FINAL: Final = replace(WENT, state=ReleaseState.FINALIZED, table={"AA1": 9.0, "AA2": 2.0})
PRE_EMPTED: Final = replace(WENT_BACK, operations=(COMPENSATED, SUCCEEDED))
TRIED: Final = replace(STAYED, operations=(SUCCEEDED,), canary=10)
BOTH_WENT: Final = replace(
    WENT, operations=(SUCCEEDED, SUCCEEDED), eta=(2, ReleaseState.SOAKING, "2")
)
BOTH_WENT_BACK: Final = replace(
    WENT_BACK, operations=(SUCCEEDED, SUCCEEDED), eta=(1, ReleaseState.FINALIZED, "1")
)
# The model of bundle 1 with the features of bundle 2: the fourth one.
HALF_BACK: Final = replace(FINAL, bundle=4, state=ReleaseState.SOAKING, alias="1")
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
    "features_first": Scenario(begins="wider_in_place", act=features_first, ends=(WIDER,)),
    "abort_features_first": Scenario(
        begins="wider_in_place", act=abort_features_first, ends=(STAYED,), unless_said=(WIDER,)
    ),
    "roll_back_in_place": Scenario(
        begins="soaking_in_place", act=roll_back, ends=(WENT_BACK,), fenced=True
    ),
    "finalize": Scenario(begins="soaking", act=finalize, ends=(FINAL,)),
    "undo": Scenario(begins="over", act=roll_back, ends=(WENT_BACK,), fenced=True),
    "start_canary": Scenario(begins="finalized", act=start_canary, ends=(TRIED,)),
    "advance": Scenario(begins="canary", act=advance, ends=(replace(TRIED, canary=50, apart=2),)),
    "go_live": Scenario(begins="canary", act=go_live, ends=(replace(WENT, apart=2),)),
    "end_canary": Scenario(begins="canary", act=roll_back, ends=(WENT_BACK,), fenced=True),
    "promote_both": Scenario(begins="both", act=promote_both, ends=(BOTH_WENT,)),
    "roll_back_both": Scenario(
        begins="both_soaking", act=roll_back_both, ends=(BOTH_WENT_BACK,), fenced=True
    ),
    "abort_both": Scenario(
        begins="both_soaking", act=abort_late, ends=(BOTH_WENT_BACK,), fenced=True
    ),
    "only_model": Scenario(begins="over", act=only_model, ends=(HALF_BACK,)),
    "pre_empt": Scenario(begins="over", act=pre_empt, ends=(PRE_EMPTED,), unless_said=(WENT_ON,)),
}
