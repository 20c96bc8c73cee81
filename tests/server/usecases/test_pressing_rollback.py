"""Two people press at once, or one twice, or somebody wants to go elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import BusyError, NoSafeTargetError, StaleEtagError
from trilock.server.store.clock import now_ms
from trilock.server.usecases import roll_back as roll_back_module
from trilock.server.usecases.roll_back import StartedRollback

_MINUTE_MS = 60_000


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        yield made


@pytest.fixture
def bundles(w: World) -> list[Bundle]:
    """Three, the last of which is live and bad."""
    made = [w.record(), w.record(variant="scaled"), w.record()]
    for bundle in made[:2]:
        w.release(bundle)
    w.promote(made[2])
    w.settle()
    return made


def in_minutes(minutes: float) -> Any:
    return lambda: now_ms() + round(minutes * _MINUTE_MS)


def test_who_presses_while_another_plans_is_told_that_it_is_done(
    w: World, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = w.live().release
    plan = roll_back_module.plan_roll_back
    bobs: list[StartedRollback] = []

    def slow(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(roll_back_module, "plan_roll_back", plan)
        planned = plan(*args, **kwargs)
        bobs.append(w.roll_back(leaves=bad, principal="bob"))
        w.settle()
        return planned

    monkeypatch.setattr(roll_back_module, "plan_roll_back", slow)
    anns = w.roll_back(leaves=bad)

    assert anns.already_done
    assert (anns.operation and anns.operation.cause.principal) == "bob"
    assert w.live().bundle == bundles[1].ref
    assert len(w.runtime.journal.list(limit=10, active_only=True)) == 0


def test_who_finds_nothing_to_go_back_to_since_it_is_done_is_told_so(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    bad = w.release(w.record(variant="scaled"))
    plan = roll_back_module.plan_roll_back

    def slow(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(roll_back_module, "plan_roll_back", plan)
        w.roll_back(leaves=bad, principal="bob")
        w.settle()
        return plan(*args, **kwargs)

    monkeypatch.setattr(roll_back_module, "plan_roll_back", slow)

    assert w.roll_back(leaves=bad).already_done


def test_a_rollback_under_way_to_another_bundle_is_not_what_was_asked(
    w: World, bundles: list[Bundle]
) -> None:
    bad = w.live().release
    first = w.roll_back(leaves=bad).operation
    assert first is not None

    with pytest.raises(BusyError) as refused:
        w.roll_back(leaves=bad, to_bundle=bundles[0].ref)

    assert str(refused.value) == (
        f"models/delay/aliases/production is locked by {first.name}, "
        "which rolls it back to models/delay/bundles/2, not to models/delay/bundles/1"
    )
    assert w.roll_back(leaves=bad, to_bundle=bundles[1].ref).already_done
    w.settle()
    with pytest.raises(StaleEtagError):
        w.roll_back(leaves=bad, to_bundle=bundles[0].ref)
    assert w.live().bundle == bundles[1].ref


def test_within_15_minutes_another_rollback_is_the_same_one(
    w: World, bundles: list[Bundle]
) -> None:
    first = w.roll_back(principal="bob").operation
    w.settle()
    assert first is not None

    for validate_only in (True, False):
        again = w.roll_back(validate_only=validate_only, clock=in_minutes(14.5))
        assert again.already_done
        assert again.operation is not None
        assert (again.operation.id, again.operation.cause.principal) == (first.id, "bob")

    w.settle()
    assert w.live().bundle == bundles[1].ref


def test_it_is_not_refused_for_want_of_a_target(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.roll_back()
    w.settle()

    assert w.roll_back().already_done
    with pytest.raises(NoSafeTargetError):
        w.roll_back(clock=in_minutes(15))


def test_to_go_further_back_by_then_one_says_where(w: World, bundles: list[Bundle]) -> None:
    w.roll_back()
    w.settle()

    assert not w.roll_back(to_bundle=bundles[0].ref).already_done
    w.settle()

    assert w.live().bundle == bundles[0].ref
