"""What is read is looked at: its age for people, its marks for jobs that nobody knew of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS, NOON
from tests.support.world import WINDOW, World, world
from trilock.server.store.feature_states import FeatureState
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.watching.feature_watcher import FeatureWatcher


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def looked(w: World) -> tuple[FeatureState, ...]:
    FeatureWatcher(w.database, w, interval=60.0).look()
    return describe_alias(w.runtime, ALIAS).features


def test_age_and_size_of_live_and_target_are_known(w: World) -> None:
    first, second = w.record(), w.record(variant="scaled")
    w.release(first)
    w.release(second)

    states = looked(w)

    assert [(s.release.number, s.project, s.rows, s.fed_until, s.error) for s in states] == [
        (2, second.feature_schema.project, 1, WINDOW.end, ""),
        (1, first.feature_schema.project, 1, WINDOW.end, ""),
    ]


def test_a_store_that_does_not_answer_is_said(w: World) -> None:
    w.release(w.record())
    w.features.available = False

    (state,) = looked(w)

    assert state.error == "the Feast registry does not answer: it was switched off"


def test_what_is_not_read_any_more_is_forgotten(w: World) -> None:
    for variant in ("celsius", "scaled", "celsius"):
        w.release(w.record(variant=variant))

    assert [state.release.number for state in looked(w)] == [3, 2]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_job_of_the_old_definition_that_ends_after_the_switch_is_undone(
    w: World, *, in_place: bool
) -> None:
    """Its values are in the table, and its watermark says that they stay."""
    w.in_place = in_place
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.roll_back()
    w.settle()
    w.features.push("delay", "weather", entity="JFK", values={"temp": 10.0})
    w.features.end_job("delay", "weather", until=NOON + timedelta(days=30))
    bad = w.mirrored()

    looked(w)
    w.settle()

    assert (bad, w.mirrored()) == ({"temp": 10.0}, {"temp": 21.0})
    (view,) = w.features.views(w.bundle_of_live().feature_schema.capture, project="delay")
    assert view.fed_until is not None
    assert view.fed_until != NOON + timedelta(days=30)


def test_what_is_fed_as_it_was_is_left_alone(w: World) -> None:
    w.in_place = True
    w.release(w.record())

    looked(w)

    assert all(plane.converged for plane in describe_alias(w.runtime, ALIAS).planes)
