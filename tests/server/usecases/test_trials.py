"""Canaries and shadows: what is on trial beside what is live."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.feast_objects import feast_objects
from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.client.sinks import WriterFencedError
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    ForeignEditError,
    InvalidRequestError,
    NotReadyError,
    StaleEtagError,
    TrilockError,
    WrongStateError,
)
from trilock.server.domain.live import LiveBundle
from trilock.server.domain.names import ReleaseRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.release import LiveRow, ReleaseState
from trilock.server.planning.trial import Trial
from trilock.server.store.events import read_state
from trilock.server.store.holds import get_hold
from trilock.server.store.releases import find_release_at, get_release
from trilock.server.usecases import roll_back as module
from trilock.server.usecases.abort import abort
from trilock.server.usecases.advance import advance
from trilock.server.usecases.reassert import reassert
from trilock.server.usecases.roll_back import PlannedRollback, plan_roll_back
from trilock.server.watching.drift_watcher import DriftWatcher


@pytest.fixture
def released(tmp_path: Path) -> Iterator[World]:
    """Yield a world with a sink and a final release of bundle 1."""
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        yield made


@pytest.fixture
def better(released: World) -> Bundle:
    return released.record(variant="kelvin")


def start(world: World, bundle: Bundle, *, percent: int = 5) -> ReleaseRef:
    """Put *bundle* on trial; return its release."""
    operation = world.settled(world.promote(bundle, trial=Trial(percent=percent)))
    assert operation.state is OperationState.SUCCEEDED, operation.error_message
    assert operation.release is not None
    return operation.release


def step(world: World, percent: int, **changes: str) -> Operation:
    arguments = {"reason": "", "etag": "", "request_id": "", **changes}
    operation = advance(
        world.runtime,
        alias=ALIAS,
        percent=percent,
        validate_only=False,
        principal=ANN,
        **arguments,
    )
    assert operation is not None
    return world.settled(operation)


def told(world: World) -> LiveBundle:
    """Return what readers are told."""
    with world.database.read() as session:
        (live,) = read_state(session).live
    return live


def state(world: World, release: ReleaseRef) -> ReleaseState:
    with world.database.read() as session:
        return get_release(session, release).state


def unchanged(world: World, before: LiveRow) -> bool:
    world.settle()
    return world.live() == before


def test_a_canary_gets_its_share_and_then_all_of_it(released: World, better: Bundle) -> None:
    stable = released.live()
    canary = start(released, better)

    live = told(released)
    assert (str(live.live.bundle), live.live.release) == ("models/delay/bundles/1", stable.release)
    assert live.canary is not None
    assert (live.canary.bundle, live.canary.release) == (better.ref, canary)
    assert (live.canary_percent, live.shadow, live.state) == (5, None, ReleaseState.FINALIZED)
    assert state(released, canary) is ReleaseState.CANARY
    assert released.alias() == "1"  # who does not resolve stays with what is live

    assert step(released, 25).state is OperationState.SUCCEEDED
    assert told(released).canary_percent == 25
    assert step(released, 10).state is OperationState.SUCCEEDED
    assert told(released).canary_percent == 10

    done = step(released, 100)
    assert (done.state, done.pivot_revision) == (OperationState.SUCCEEDED, released.live().revision)
    live = told(released)
    assert (live.live.bundle, live.canary, live.canary_percent) == (better.ref, None, 0)
    assert live.state is ReleaseState.SOAKING
    assert live.standby is not None
    assert live.standby.release == stable.release
    assert (state(released, stable.release), state(released, canary)) == (
        ReleaseState.SUPERSEDED,
        ReleaseState.SOAKING,
    )
    assert released.alias() == "2"


def test_each_change_is_one_revision(released: World, better: Bundle) -> None:
    before = released.live().revision
    start(released, better)
    step(released, 50)
    assert released.live().revision == before + 2


def test_a_canary_writes_into_a_staging_table_of_its_own(released: World, better: Bundle) -> None:
    stable = released.live().release
    canary = start(released, better)
    released.write(stable, UA1=1.0)
    released.write(canary, UA2=2.0)
    assert released.table() == {"UA1": 1.0}

    step(released, 100)
    released.write(canary, UA3=3.0)
    assert released.table() == {"UA1": 1.0}
    released.finalize()
    released.settle()
    assert released.table() == {"UA1": 1.0, "UA2": 2.0, "UA3": 3.0}


def test_a_rollback_takes_the_canary_back_and_nothing_else(released: World, better: Bundle) -> None:
    stable = released.live()
    canary = start(released, better)
    released.write(canary, UA2=2.0)
    planned = plan_roll_back(released.runtime, alias=ALIAS, to_bundle=None)
    assert (planned.leaves.ref, planned.target.bundle) == (canary, stable.bundle)
    assert [one.step for one in planned.plan.steps] == ["end_trial"]

    started = released.roll_back(leaves=canary)
    assert started.operation is not None
    ended = released.settled(started.operation)

    assert ended.state is OperationState.SUCCEEDED
    assert (told(released).canary, told(released).canary_percent) == (None, 0)
    live = released.live()
    assert (live.release, live.state) == (stable.release, ReleaseState.FINALIZED)
    assert state(released, canary) is ReleaseState.ROLLED_BACK
    assert released.table() == {}
    with pytest.raises(WriterFencedError):
        released.write(canary, UA4=4.0)
    released.write(stable.release, UA1=1.0)
    assert released.table() == {"UA1": 1.0}
    with released.database.read() as session:
        hold = get_hold(session, better.ref)
    assert hold is not None
    assert hold.reason == f"rolled back from {canary}, a canary: it is bad"


def test_pressing_twice_takes_back_the_canary_only(released: World, better: Bundle) -> None:
    released.release(better)
    third = released.record(variant="rankine")
    stable = released.live().release
    canary = start(released, third)
    first = released.roll_back(leaves=canary)
    released.settle()

    again = released.roll_back(leaves=canary)
    other = released.roll_back()  # who looked a moment later, and saw no canary

    assert first.operation is not None
    for pressed in (again, other):
        assert pressed.already_done
        assert pressed.operation is not None
        assert pressed.operation.id == first.operation.id
    released.settle()
    assert released.live().release == stable


def test_what_went_live_since_a_canary_was_taken_back_can_be_left(
    released: World, better: Bundle
) -> None:
    stable = released.live()
    released.roll_back(leaves=start(released, better))
    released.settle()
    released.promote(released.record(variant="rankine"))
    released.settle()

    started = released.roll_back()
    released.settle()

    assert not started.already_done
    assert (released.live().bundle, released.live().state) == (
        stable.bundle,
        ReleaseState.FINALIZED,
    )


def test_a_canary_that_goes_live_under_the_hands_of_who_takes_it_back_is_left(
    released: World, better: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    stable = released.live()
    canary = start(released, better)

    def plan_then_advance(*args: Any, **arguments: Any) -> PlannedRollback:
        planned = plan_roll_back(*args, **arguments)
        if released.live().canary:
            step(released, 100)
        return planned

    monkeypatch.setattr(module, "plan_roll_back", plan_then_advance)
    started = released.roll_back(leaves=canary)
    assert started.operation is not None
    done = released.settled(started.operation)

    assert done.state is OperationState.SUCCEEDED, done.error_message
    assert released.live().bundle == stable.bundle
    assert state(released, canary) is ReleaseState.ROLLED_BACK


def test_who_goes_to_the_live_bundle_takes_the_canary_back(released: World, better: Bundle) -> None:
    stable = released.live()
    canary = start(released, better)

    planned = plan_roll_back(released.runtime, alias=ALIAS, to_bundle=stable.bundle)

    assert (planned.leaves.ref, planned.target.bundle) == (canary, stable.bundle)


def test_a_canary_is_left_for_the_live_bundle_only(released: World, better: Bundle) -> None:
    first = released.live().bundle
    released.release(better)
    canary = start(released, released.record(variant="rankine"))

    with pytest.raises(InvalidRequestError, match="name the live release"):
        released.roll_back(leaves=canary, to_bundle=first)

    assert released.live().canary == canary


def test_a_canary_does_not_go_live_when_what_it_replaces_could_not_be_restored(
    released: World, better: Bundle
) -> None:
    start(released, better)
    step(released, 50)
    released.registry.write_file(model="delay", version="1", path="MLmodel", content=b"other")
    before = released.live()

    with pytest.raises(NotReadyError, match="which would be the rollback target"):
        step(released, 100)
    assert unchanged(released, before)


def test_a_canary_whose_features_somebody_changed_does_not_go_live(
    released: World, better: Bundle
) -> None:
    start(released, better)
    project = better.feature_schema.project
    released.features.apply(project, feast_objects("rounded"))
    before = released.live()

    with pytest.raises(ForeignEditError, match=f"in Feast project {project}"):
        step(released, 100)
    assert unchanged(released, before)
    DriftWatcher(released.database, released, interval=60).look()
    reassert(released.runtime, alias=ALIAS, reason="ours", principal=ANN)
    released.settle()
    assert step(released, 100).state is OperationState.SUCCEEDED


def test_rolling_the_live_release_back_ends_what_is_on_trial(
    released: World, better: Bundle
) -> None:
    released.release(better)
    third, fourth = released.record(variant="rankine"), released.record(variant="romer")
    stable = released.live().release
    canary, shadow = start(released, third), start(released, fourth, percent=0)

    released.roll_back(leaves=stable)
    released.settle()

    live = told(released)
    assert (str(live.live.bundle), live.canary, live.shadow) == (
        "models/delay/bundles/1",
        None,
        None,
    )
    assert {state(released, one) for one in (canary, shadow, stable)} == {ReleaseState.ROLLED_BACK}
    with released.database.read() as session:
        assert get_hold(session, third.ref) is None


def test_a_shadow_gets_a_copy_and_stays_beside(released: World, better: Bundle) -> None:
    stable = released.live().release
    shadow = start(released, better, percent=0)
    live = told(released)
    assert live.shadow is not None
    assert (live.shadow.release, live.canary) == (shadow, None)
    released.write(shadow, UA2=2.0)
    assert released.table() == {}

    canary = start(released, released.record(variant="rankine"))
    assert released.live().trials == (canary, shadow)
    step(released, 100)
    assert told(released).shadow is not None

    released.roll_back(leaves=shadow)
    released.settle()
    assert told(released).shadow is None
    assert (state(released, shadow), state(released, stable)) == (
        ReleaseState.ROLLED_BACK,
        ReleaseState.SUPERSEDED,
    )
    assert released.live().release == canary
    with released.database.read() as session:
        assert get_hold(session, better.ref) is None


def test_the_end_of_a_shadow_and_a_promotion_do_not_disturb_each_other(
    released: World, better: Bundle
) -> None:
    shadow = start(released, better, percent=0)
    promotion = released.promote(released.record(variant="rankine"))
    end = released.roll_back(leaves=shadow).operation
    assert end is not None

    assert released.settled(promotion).state is OperationState.SUCCEEDED
    # Its planes followed with those of the promotion, whose pivot was the newer one.
    assert released.settled(end).state is OperationState.SUPERSEDED
    assert told(released).shadow is None
    assert (released.live().release, state(released, shadow)) == (
        promotion.release,
        ReleaseState.ROLLED_BACK,
    )


def test_a_promotion_whose_planes_still_follow_succeeds_though_a_shadow_ends(
    released: World, better: Bundle
) -> None:
    shadow = start(released, better, percent=0)
    promotion = released.promote(released.record(variant="rankine"))
    released.pivot()
    end = released.roll_back(leaves=shadow).operation
    assert end is not None

    assert released.settled(end).state is OperationState.SUCCEEDED
    assert released.settled(promotion).state is OperationState.SUCCEEDED


def test_the_end_of_a_shadow_switches_nothing(released: World, better: Bundle) -> None:
    shadow = start(released, better, percent=0)
    before = released.live()

    released.roll_back(leaves=shadow)
    released.settle()

    after = released.live()
    assert (after.revision, after.switched_revision) == (
        before.revision + 1,
        before.switched_revision,
    )


def test_the_end_of_a_canary_takes_the_alias_from_whatever_works_on_it(
    released: World, better: Bundle
) -> None:
    start(released, better)
    shadowing = released.promote(released.record(variant="rankine"), trial=Trial(percent=0))

    released.roll_back(leaves=released.live().canary)

    assert released.settled(shadowing).state is OperationState.COMPENSATED


def test_a_plan_may_name_the_shadow(released: World, better: Bundle) -> None:
    shadow = start(released, better, percent=0)

    planned = plan_roll_back(released.runtime, alias=ALIAS, to_bundle=None, leaves=shadow)

    assert planned.leaves.ref == shadow
    (end, *_) = planned.plan.steps
    assert (end.step, end.title) == (
        "end_trial",
        "end models/delay/releases/2, the shadow of models/delay/aliases/production",
    )


def test_what_is_on_trial_never_was_live(released: World, better: Bundle) -> None:
    stable, canary = released.live().release, start(released, better)
    with released.database.read() as session:
        at = find_release_at(session, ALIAS, at_ms=1 << 60)
    assert at is not None
    assert at.ref == stable
    released.roll_back(leaves=canary)
    released.settle()
    with released.database.read() as session:
        at = find_release_at(session, ALIAS, at_ms=1 << 60)
    assert at is not None
    assert at.ref == stable


def test_only_one_canary_and_one_shadow(released: World, better: Bundle) -> None:
    third = released.record(variant="rankine")
    start(released, better)
    start(released, better, percent=0)
    before = released.live()

    for trial in (Trial(percent=5), Trial(percent=0), None):
        with pytest.raises(WrongStateError, match="is on trial"):
            released.promote(third, trial=trial)
    assert unchanged(released, before)


def test_no_canary_during_a_soak(released: World, better: Bundle) -> None:
    released.promote(better)
    released.settle()
    before = released.live()
    with pytest.raises(WrongStateError, match="SOAKING"):
        released.promote(released.record(variant="rankine"), trial=Trial(percent=5))
    assert unchanged(released, before)


def test_nothing_is_tried_beside_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        bundle = made.record()
        with pytest.raises(WrongStateError, match="without a live release"):
            made.promote(bundle, trial=Trial(percent=5))


def test_nothing_to_advance(released: World, better: Bundle) -> None:
    with pytest.raises(WrongStateError, match="without a canary"):
        step(released, 50)
    start(released, better)
    before = released.live()
    with pytest.raises(WrongStateError, match="at 5 % already"):
        step(released, 5)
    with pytest.raises(StaleEtagError):
        step(released, 50, etag='"1"')
    assert unchanged(released, before)


def test_an_advance_is_checked_as_a_promotion_is(released: World, better: Bundle) -> None:
    start(released, better)
    before = released.live()
    other, _ = released.train(variant="rankine")
    released.registry.set_alias(model="delay", alias="production", version=other)

    with pytest.raises(TrilockError) as refused:
        step(released, 50)

    assert refused.value.reason == "FOREIGN_EDIT"
    assert unchanged(released, before)


def test_the_same_advance_twice_is_one(released: World, better: Bundle) -> None:
    start(released, better)
    first = step(released, 50, request_id="r1")
    assert step(released, 50, request_id="r1").id == first.id


def test_abort_of_a_canary_takes_it_back(released: World, better: Bundle) -> None:
    operation = released.settled(released.promote(better, trial=Trial(percent=5)))
    stable = released.live().release

    aborted = abort(
        released.runtime,
        operation.id,
        reason="too slow",
        incident="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )
    released.settle()

    assert aborted.rolls_back
    assert (released.live().release, released.live().trials) == (stable, ())
