"""A look at a bundle ends in time, whatever hangs, and takes nothing from other looks."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.world import World, world
from trilock.server.checks.readiness import ReadinessState, readiness
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.ports import Planes
from trilock.server.store.readiness import get_readiness
from trilock.server.watching.prober import Prober

LONG = 30.0
"""Seconds that nothing takes unless the test fails."""


class Hanging:
    """A plane that answers nothing until the test has ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        def hang(*_: object, **__: object) -> tuple[str, ...]:
            self.asked += 1
            self.ended.wait(LONG)
            return ()

        return hang


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.ended.set()


@pytest.fixture
def bundle(w: World) -> Bundle:
    bundle = w.record()
    w.release(bundle)
    return bundle


def hang(w: World, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, *planes: str) -> None:
    opened = w.planes("delay")
    broken: dict[str, Any] = dict.fromkeys(planes, hanging)

    def open_planes(_model: str) -> Planes:
        return replace(opened, **broken)

    monkeypatch.setattr(w, "planes", open_planes)


def test_a_released_bundle_is_ready(w: World, bundle: Bundle) -> None:
    found = readiness(w, bundle, seconds=LONG, rebuild=True)

    assert (found.state, found.problems, found.rebuild_problems) == (ReadinessState.READY, (), ())


def test_all_looks_have_one_deadline(
    w: World, bundle: Bundle, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(w, hanging, monkeypatch, "registry", "features", "pipeline")
    clock = iter([0.0, LONG - 0.01, 2 * LONG, 2 * LONG])
    monkeypatch.setattr(
        "trilock.server.checks.readiness.time", SimpleNamespace(monotonic=lambda: next(clock))
    )

    found = readiness(w, bundle, seconds=LONG, rebuild=True)

    assert found.state is ReadinessState.UNPROVEN
    assert found.problems == (
        "model registry did not answer within 30 s",
        "feature store did not answer within 30 s",
    )
    assert found.rebuild_problems == ("pipeline did not answer within 30 s",)
    assert not hanging.ended.is_set()


def test_opening_the_planes_is_part_of_the_look(
    w: World, bundle: Bundle, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(w, "planes", hanging.open)

    assert readiness(w, bundle, seconds=0.01).state is ReadinessState.UNPROVEN


def test_looks_that_hang_in_git_take_nothing_from_others(
    w: World, bundle: Bundle, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(w, hanging, monkeypatch, "pipeline")
    for _ in range(20):
        readiness(w, bundle, seconds=0.0, rebuild=True)

    found = readiness(w, bundle, seconds=LONG)

    assert found.state is ReadinessState.READY
    assert hanging.asked <= 4


def test_looks_that_hang_do_not_pile_up(
    w: World, bundle: Bundle, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        hang(w, hanging, broken, "registry")
        for _ in range(20):
            found = readiness(w, bundle, seconds=0.0)

    assert hanging.asked <= 4
    assert found.state is ReadinessState.UNPROVEN
    assert "model registry does not answer: looks at it hang already" in found.problems


def test_a_rollback_does_not_look_at_git(
    w: World, bundle: Bundle, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    del bundle
    w.promote(w.record(variant="scaled"))
    w.settle()
    hang(w, hanging, monkeypatch, "pipeline")

    operation = w.roll_back().operation

    assert operation is not None
    assert operation.plan.warnings == ()
    assert hanging.asked == 0


def test_what_a_rebuild_would_miss_is_told_by_day(w: World, bundle: Bundle) -> None:
    del bundle
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.pipeline.down = True

    Prober(w.database, w, interval=LONG).look()

    with w.database.read() as session:
        stored = get_readiness(session, w.live())
    assert stored is not None
    assert stored.state == "READY"
    assert [problem.split(":")[0] for problem in stored.problems] == ["a rebuild would miss"]


def test_a_look_that_hangs_does_not_keep_the_process_alive() -> None:
    script = """
import threading
from types import SimpleNamespace
from trilock.server.checks.readiness import readiness

connections = SimpleNamespace(planes=lambda _model: threading.Event().wait())
bundle = SimpleNamespace(ref=SimpleNamespace(model="delay"))
print(readiness(connections, bundle, seconds=0.01).state)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LONG, check=True
    )

    assert ended.stdout == "UNPROVEN\n"
