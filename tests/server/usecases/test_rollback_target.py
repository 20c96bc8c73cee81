"""Which bundle a rollback goes to, why that one, and why no newer one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS, bundle_ref
from tests.support.world import ANN, World, world
from trilock.server.checks.compatibility import Judge
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    HeldError,
    IncompatibleError,
    NoSafeTargetError,
    NotFoundError,
    NotReadyError,
)
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.fallbacks import Fallback
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.feature_projects import list_feature_projects
from trilock.server.usecases.manage_fallback import clear_fallback, set_fallback
from trilock.server.usecases.place_hold import place_hold
from trilock.server.usecases.rollback_target import RollbackTarget, find_target
from trilock.server.watching.prober import Prober


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Bundle 4 is live; 3 was rolled back; the target is 2, and 1 is older."""
    with world(tmp_path) as made:
        made.release(made.record())
        made.release(made.record(variant="scaled"))
        made.promote(made.record())
        made.settle()
        made.roll_back()
        made.settle()
        made.promote(made.record(variant="scaled"))
        made.settle()
        yield made


def target(w: World, *, to: int | None = None) -> RollbackTarget:
    return find_target(w.runtime, w.live(), to_bundle=None if to is None else bundle_ref(to))


def told(found: RollbackTarget) -> list[str]:
    return [f"{one.bundle.number}: {one.reason}" for one in found.passed_over]


def lose(w: World, *versions: int) -> None:
    for version in versions:
        w.registry.delete_version(model="delay", version=str(version))


def test_it_is_the_fixed_one(w: World) -> None:
    found = target(w)

    assert (found.bundle.number, told(found), found.warnings) == (2, [], ())
    assert found.why == "it was fixed as the target when models/delay/releases/5 went live"
    # Release 4 was the rollback that made bundle 2 live again.
    assert str(found.release and found.release.ref) == "models/delay/releases/4"


def test_if_it_is_gone_it_is_the_nearest_that_passes_and_each_newer_one_has_its_reason(
    w: World,
) -> None:
    lose(w, 2)

    found = target(w)

    assert found.bundle.number == 1
    assert told(found) == [
        "2: version 2 of model 'delay' is gone",
        "3: models/delay/releases/3 was rolled back by ann",
    ]
    assert found.why == (
        "it is the newest release before models/delay/releases/5 that can be restored"
    )
    assert found.warnings == ()


def test_one_that_does_not_pass_the_check_is_passed_over(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(w, 2)
    monkeypatch.setattr(Judge, "unfit", lambda *_args, **_kw: ("the model reads 'x'",))

    with pytest.raises(NoSafeTargetError, match="models/delay/bundles/1: the model reads 'x'"):
        target(w)


def test_what_it_is_checked_for_is_that_it_fits_itself_and_the_sinks(w: World) -> None:
    judge = Judge(w.database, w)
    inputs = '[{"type": "string", "name": "temp", "required": true}]'

    (why,) = judge.unfit(w.record(inputs=inputs), alias=ALIAS)

    assert "temp" in why
    assert judge.unfit(w.record(), alias=ALIAS) == ()


def test_one_that_was_asked_for_is_taken_or_refused_with_its_own_reason(w: World) -> None:
    assert (target(w, to=1).bundle.number, target(w, to=1).why) == (1, "it was asked for")
    with pytest.raises(NoSafeTargetError, match="releases/3 was rolled back by ann"):
        target(w, to=3)
    with pytest.raises(NotFoundError, match="a finalized release of models/delay/bundles/4"):
        target(w, to=4)


def test_if_nothing_answers_it_is_taken_with_its_last_proof(w: World) -> None:
    Prober(w.database, w, interval=60).look()
    w.registry.down = True

    found = target(w)

    assert found.bundle.number == 2
    (warning,) = found.warnings
    assert warning.startswith("models/delay/bundles/2 is UNPROVEN: ")
    assert warning.endswith("Z: READY")


def test_what_was_put_on_hold_since_it_was_proven_is_not_shown_as_ready(w: World) -> None:
    set_fallback(
        w.runtime,
        alias=ALIAS,
        bundle=bundle_ref(1),
        reason="",
        validate_only=False,
        principal=ANN,
    )
    Prober(w.database, w, interval=60).look()
    for number in (1, 2):
        place_hold(
            w.runtime,
            resource=bundle_ref(number),
            reason="burnt",
            expires=None,
            principal=ANN,
        )

    status = describe_alias(w.runtime, ALIAS)

    assert status.readiness is not None
    assert status.fallback is not None
    shown = [(one.state, one.problems) for one in (status.readiness, status.fallback)]
    assert shown == [("NOT_READY", ("on hold since ann recorded: burnt",))] * 2


class TestFallback:
    @pytest.fixture
    def old(self, w: World) -> Bundle:
        """A bundle that was never live; its features, those of bundle 2, are filled."""
        return w.record(variant="scaled")

    def set(self, w: World, bundle: Bundle, *, validate_only: bool = False) -> Fallback | None:
        return set_fallback(
            w.runtime,
            alias=ALIAS,
            bundle=bundle.ref,
            reason="plain and old",
            validate_only=validate_only,
            principal="bob",
        )

    def test_if_no_release_can_be_restored_it_is_taken(self, w: World, old: Bundle) -> None:
        self.set(w, old)
        lose(w, 1, 2)

        found = target(w)

        assert (found.bundle, found.release) == (old.ref, None)
        assert found.why == "it is the fallback bundle that bob recorded: plain and old"
        assert [one.bundle.number for one in found.passed_over] == [2, 3, 1]

        rollback = w.roll_back().operation
        assert rollback is not None
        assert w.settled(rollback).state is OperationState.SUCCEEDED
        live = w.live()
        assert (live.bundle, live.state, live.target) == (old.ref, ReleaseState.FINALIZED, None)
        assert w.alias() == old.model_version.version

    def test_it_can_be_asked_for(self, w: World, old: Bundle) -> None:
        self.set(w, old)

        assert target(w, to=old.ref.number).release is None

    def test_without_one_there_is_no_safe_target_and_every_reason_is_told(self, w: World) -> None:
        lose(w, 1, 2)

        with pytest.raises(NoSafeTargetError) as refused:
            target(w)

        assert str(refused.value) == (
            "nothing to roll models/delay/aliases/production back to: "
            "models/delay/bundles/2: version 2 of model 'delay' is gone; "
            "models/delay/bundles/3: models/delay/releases/3 was rolled back by ann; "
            "models/delay/bundles/1: version 1 of model 'delay' is gone"
        )

    def test_it_is_proven_before_it_is_recorded(self, w: World, old: Bundle) -> None:
        assert self.set(w, old, validate_only=True) is None
        assert describe_alias(w.runtime, ALIAS).fallback is None
        wrong = w.record(inputs='[{"type": "string", "name": "temp", "required": true}]')
        with pytest.raises(IncompatibleError):
            self.set(w, wrong)
        lose(w, int(old.model_version.version))
        with pytest.raises((NotFoundError, NotReadyError)):
            self.set(w, old)

    def test_a_held_bundle_is_none(self, w: World) -> None:
        with pytest.raises(HeldError):
            set_fallback(
                w.runtime,
                alias=ALIAS,
                bundle=bundle_ref(3),
                reason="",
                validate_only=False,
                principal=ANN,
            )

    def test_it_is_looked_at_and_fed_like_a_target(self, w: World, old: Bundle) -> None:
        self.set(w, old)
        projects = {one.project for one in list_feature_projects(w.runtime, model=None)}
        assert old.feature_schema.project in projects
        before = describe_alias(w.runtime, ALIAS).fallback
        lose(w, int(old.model_version.version))
        Prober(w.database, w, interval=60).look()
        after = describe_alias(w.runtime, ALIAS).fallback

        assert before is not None
        assert after is not None
        assert (before.state, after.state) == ("READY", "NOT_READY")

    def test_it_is_forgotten_once(self, w: World, old: Bundle) -> None:
        self.set(w, old)

        clear_fallback(w.runtime, alias=ALIAS, reason="", principal=ANN)

        assert describe_alias(w.runtime, ALIAS).fallback is None
        with pytest.raises(NotFoundError):
            clear_fallback(w.runtime, alias=ALIAS, reason="", principal=ANN)


def test_before_it_is_begun_a_rollback_says_what_it_means(w: World) -> None:
    found = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None)

    assert {change.what for change in found.changes} >= {"model", "pipeline"}
    assert found.pace is not None
    assert found.pace.runs == 1
    assert set(found.pace.steps) == {"switch_live"}
    assert 0 <= found.pace.switched <= found.pace.done
