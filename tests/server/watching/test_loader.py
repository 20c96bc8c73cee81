"""A model that does not load turns readiness red; trying holds nothing up."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.watching.loader import Loader
from trilock.server.watching.prober import Prober

DEADLINE = 20.0


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def known(w: World, bundle: Bundle, *, loads: bool = True) -> tuple[str, ...]:
    """Return what is known once the first try is over."""
    planes = replace(w.planes("delay"), loads_model=loads)
    over = threading.Event()
    loader = Loader(tell=over.set)
    assert loader.problems(planes, bundle) == ()
    if loads:
        assert over.wait(DEADLINE)
    return loader.problems(planes, bundle)


def test_a_model_that_loads_has_no_problem(w: World) -> None:
    assert known(w, w.record()) == ()


def test_a_model_that_does_not_load_says_why(w: World) -> None:
    bundle = w.record()
    w.registry.unloadable = ("version 1 of model 'delay' cannot be loaded: no such wheel",)

    assert known(w, bundle) == w.registry.unloadable
    assert known(w, bundle, loads=False) == ()


def test_it_turns_readiness_red(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    planes = replace(w.planes("delay"), loads_model=True)
    monkeypatch.setattr(w, "planes", lambda _model: planes)
    w.registry.unloadable = ("it cannot be loaded: no such wheel",)
    prober = Prober(w.database, w, interval=60)
    told = threading.Event()
    monkeypatch.setattr(prober._loader, "_tell", told.set)

    prober.look()
    assert told.wait(DEADLINE)
    prober.look()

    found = describe_alias(w.runtime, ALIAS).readiness
    assert found is not None
    assert (found.state, found.problems) == ("NOT_READY", w.registry.unloadable)
