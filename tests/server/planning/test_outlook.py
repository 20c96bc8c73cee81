"""What a plan means for people."""

from dataclasses import replace

import pytest

from tests.support.values import bundle, release, sink
from trilock.server.domain.release import ReleaseState
from trilock.server.planning.outlook import Change, changes, not_undone

NO_UNDO = "undo is unavailable, it is append-only and has no release column"
GIVEN = "what its readers were already given, and what was written where trilock has no sink"


def test_what_differs_is_told_and_what_does_not_is_not() -> None:
    before = replace(bundle(1), serving_config={"image": "a", "limit": 3, "old": True})
    after = replace(bundle(2), serving_config={"image": "a", "limit": 4, "new": [1]})

    found = {change.what: (change.before, change.after) for change in changes(before, after)}

    assert found["model"] == ("delay version 1", "delay version 2")
    assert found["serving config limit"] == ("3", "4")
    assert found["serving config new"] == ("", "[1]")
    assert found["serving config old"] == ("true", "")
    assert "serving config image" not in found
    assert changes(before, before) == ()


def test_the_first_bundle_changes_everything() -> None:
    first = replace(bundle(1), serving_config={})

    assert [change.what for change in changes(None, first)] == ["model", "features", "pipeline"]
    assert changes(None, first)[0] == Change(what="model", before="", after="delay version 1")


@pytest.mark.parametrize(
    ("state", "keys", "expected"),
    [
        (ReleaseState.SOAKING, ("flight",), (GIVEN,)),
        (ReleaseState.SOAKING, (), (GIVEN,)),
        (
            ReleaseState.FINALIZED,
            ("flight",),
            (GIVEN, "rows of predictions that somebody else has written since"),
        ),
        (
            ReleaseState.FINALIZING,
            (),
            (
                GIVEN,
                f"rows in predictions: {NO_UNDO}",
            ),
        ),
    ],
)
def test_what_a_rollback_leaves_as_it_is(
    state: ReleaseState, keys: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert not_undone(release(2, state=state), sinks=[sink(keys=keys)]) == expected
