"""What readers are served between two bundles: nothing side by side; in place, what is accepted."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import WINDOW, World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import WindowNotAcceptedError
from trilock.server.domain.operation import OperationState
from trilock.server.planning.middle import Way
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.feature_projects import materialize_features
from trilock.server.usecases.promote import PlannedPromotion, plan_promote


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Bundle 1 is final; in place."""
    with world(tmp_path) as made:
        made.in_place = True
        made.release(made.record())
        yield made


@pytest.fixture
def other(w: World) -> Bundle:
    """A bundle whose features are made otherwise, under the same names."""
    return w.record(variant="scaled")


def plan(w: World, bundle: Bundle, *, accept: str = "") -> PlannedPromotion:
    return plan_promote(
        w.runtime, alias=ALIAS, bundle=bundle.ref, window=WINDOW, accept_window=accept
    )


def test_features_that_are_made_otherwise_need_a_window_that_somebody_accepts(
    w: World, other: Bundle
) -> None:
    planned = plan(w, other)

    assert planned.middle is not None
    assert planned.middle.way is Way.WINDOW
    taken = planned.middle.taken
    assert (taken.model_of, taken.features_of) == (other.ref, w.live().bundle)
    assert (taken.fits, taken.same_meaning) == (True, False)
    assert isinstance(planned.refusal, WindowNotAcceptedError)
    with pytest.raises(
        WindowNotAcceptedError,
        match=r"weather:temp would be made in another way: .*; no order is compatible throughout",
    ):
        w.promote(other, accept_window="")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_why_it_was_accepted_stays_in_the_history(w: World, other: Bundle) -> None:
    assert plan(w, other, accept="nobody reads it at night").refusal is None

    promotion = w.promote(other, accept_window="nobody reads it at night", reason="fresher")

    assert w.settled(promotion).state is OperationState.SUCCEEDED
    assert w.live().cause.reason == "fresher (accepted window: nobody reads it at night)"


def test_with_the_same_features_there_is_nothing_in_between(w: World) -> None:
    planned = plan(w, w.record())

    assert (planned.middle, planned.refusal) == (None, None)


def test_while_the_project_has_not_followed_the_model_waits_for_its_features(w: World) -> None:
    """The features of what was left are still there, and the new model would read those."""
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.features.available = False
    w.roll_back()
    w.settle()
    w.features.available = True
    left = w.mirrored()

    planned = plan(w, w.record())
    operation = w.promote(planned.bundle, accept_window="")
    w.pivot()
    at_switch = w.mirrored()
    w.retry_planes()
    promotion = w.settled(operation)

    assert left == {"temp": 21.0, "humidity": 0.5}
    assert planned.middle is not None
    assert (planned.middle.way, planned.refusal) == (Way.FEATURES_FIRST, None)
    assert planned.middle.passed_over is not None
    assert planned.middle.passed_over.why == (
        "delay does not hold them yet: `trilock status` says why"
    )
    steps = [step.step for step in promotion.steps]
    assert steps.index("swap_features") < steps.index("switch_live")
    assert promotion.state is OperationState.SUCCEEDED
    assert at_switch == {"temp": 21.0}


def test_a_window_is_open_where_the_project_has_not_followed_and_no_order_helps(
    w: World, other: Bundle
) -> None:
    w.promote(other)
    w.pivot()
    w.features.available = False
    w.roll_back()
    w.settle()
    w.features.available = True

    planned = plan(w, w.record(variant="scaled"))

    assert isinstance(planned.refusal, WindowNotAcceptedError)


def test_what_is_only_compared_again_has_followed(w: World) -> None:
    materialize_features(
        w.runtime, model=MODEL, window=WINDOW, progress=lambda *_: None, done=lambda *_: None
    )

    assert plan(w, w.record()).middle is None


def test_side_by_side_there_is_nothing_in_between(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    with world(tmp_path / "beside") as beside:
        beside.release(beside.record())

        planned = plan(beside, beside.record(variant="scaled"))

    assert (planned.middle, planned.refusal) == (None, None)


def test_a_rollback_shows_it_and_waits_for_nobody(w: World, other: Bundle) -> None:
    w.promote(other)
    w.settle()

    described = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None)
    w.roll_back()
    w.settle()

    assert described.middle is not None
    assert described.middle.taken.compatible is False
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_rollback_is_shown_though_no_plane_can_be_opened(
    w: World, other: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.promote(other)
    w.settle()

    def broken(_: str) -> NoReturn:
        raise OSError("no Feast here")

    monkeypatch.setattr(w, "planes", broken)
    described = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None)

    assert described.middle is not None
    assert described.middle.taken.why == "it cannot be judged: OSError: no Feast here"
    assert described.planned.target.bundle.number == 1
