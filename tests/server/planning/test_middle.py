"""Which way from one bundle to another: the rule of DESIGN section 6, as a table."""

import pytest

from tests.support.values import bundle_ref
from trilock.server.planning.middle import State, Way, way


def state(*, model: int, features: int, fits: bool, same_meaning: bool) -> State:
    return State(
        model_of=bundle_ref(model),
        features_of=bundle_ref(features),
        fits=fits,
        same_meaning=same_meaning,
    )


YES, UNFIT, OTHER, NEITHER = (True, True), (False, True), (True, False), (False, False)


@pytest.mark.parametrize(
    ("model_first", "features_first", "expected"),
    [
        (YES, YES, Way.MODEL_FIRST),
        (YES, UNFIT, Way.MODEL_FIRST),
        (YES, OTHER, Way.MODEL_FIRST),
        (UNFIT, YES, Way.FEATURES_FIRST),
        (OTHER, YES, Way.FEATURES_FIRST),
        (NEITHER, YES, Way.FEATURES_FIRST),
        (UNFIT, UNFIT, Way.WINDOW),
        # It fits, but means something else: the silent failure.
        (OTHER, OTHER, Way.WINDOW),
        (UNFIT, OTHER, Way.WINDOW),
        (OTHER, NEITHER, Way.WINDOW),
    ],
)
def test_the_way_is_the_one_whose_middle_is_compatible(
    model_first: tuple[bool, bool], features_first: tuple[bool, bool], expected: Way
) -> None:
    one = state(model=2, features=1, fits=model_first[0], same_meaning=model_first[1])
    other = state(model=1, features=2, fits=features_first[0], same_meaning=features_first[1])

    assert way(model_first=one, features_first=other) is expected


@pytest.mark.parametrize(
    ("fits", "same_meaning", "compatible"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_state_is_compatible_if_it_fits_and_means_the_same(
    *, fits: bool, same_meaning: bool, compatible: bool
) -> None:
    found = state(model=1, features=1, fits=fits, same_meaning=same_meaning)

    assert found.compatible is compatible
