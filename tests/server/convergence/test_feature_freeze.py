"""What is frozen follows the live row: its projects, its target's, its trials', and the mirror."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.domain.ports import Freezing
from trilock.server.planning.trial import Trial
from trilock.server.usecases.describe_alias import describe_alias


@pytest.fixture
def w(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path) as made:
        monkeypatch.setattr(made, "freezing", lambda _model: Freezing.ON)
        yield made


def test_the_projects_of_what_is_live_and_of_its_target_are_frozen(w: World) -> None:
    first, second = w.record(), w.record(variant="scaled")
    w.release(first)
    alone = dict(w.features.frozen(owner=str(ALIAS)))
    w.promote(second, reason="better")
    w.settle()

    both = w.features.frozen(owner=str(ALIAS))

    assert sorted(alone) == ["delay", first.feature_schema.project]
    assert sorted(both) == [
        "delay",
        first.feature_schema.project,
        second.feature_schema.project,
    ]
    (why,) = set(both.values())
    assert why == (
        "models/delay/releases/2 of models/delay/bundles/2 on models/delay/aliases/production, "
        "by ann (better)"
    )


def test_what_is_on_trial_is_frozen_while_it_is(w: World) -> None:
    stable, better = w.record(), w.record(variant="scaled")
    w.release(stable)
    w.promote(better, trial=Trial(percent=5))
    w.settle()
    mine = {stable.feature_schema.project, better.feature_schema.project, "delay"}

    during = set(w.features.frozen(owner=str(ALIAS)))
    assert w.live().canary is not None
    w.roll_back(leaves=w.live().canary)
    w.settle()

    assert during == mine
    assert set(w.features.frozen(owner=str(ALIAS))) == mine - {better.feature_schema.project}


def test_a_registry_that_cannot_is_told_and_stops_no_rollback(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = w.record()
    w.release(good)
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.features.available = False

    w.roll_back()
    w.settle()

    assert w.live().bundle == good.ref
    states = {plane.plane: plane for plane in describe_alias(w.runtime, ALIAS).planes}
    assert not states["feature_freeze"].converged
    assert "does not answer" in states["feature_freeze"].error


def test_where_the_settings_take_it_away_nothing_is_frozen(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    frozen = len(w.features.frozen(owner=str(ALIAS)))
    monkeypatch.setattr(w, "freezing", lambda _model: Freezing.REMOVE)

    w.promote(w.record(variant="scaled"))
    w.settle()

    assert frozen == 2
    assert w.features.frozen(owner=str(ALIAS)) == {}
