"""Plans are values: what is in them, in which order, and when two are the same."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.values import ALIAS, NOON, bundle, bundle_ref, live_row, release, sink
from trilock.server.domain.ports import Window
from trilock.server.planning.finalize import plan_finalize
from trilock.server.planning.middle import Way
from trilock.server.planning.plan import Surroundings
from trilock.server.planning.promotion import plan_promotion
from trilock.server.planning.rollback import plan_rollback
from trilock.server.planning.together import plan_together

WINDOW = Window(start=NOON, end=NOON + timedelta(days=1))
EMPTY = Surroundings(alias=ALIAS, live=None, sinks=(), planes=("model_alias",))
BEHIND = "in place: from the switch until delay has followed, the new model reads the old features"
AT_LEAST = ", which does not go together, for at least 600 s where definitions are kept"
LIVE = Surroundings(alias=ALIAS, live=live_row(), sinks=(sink(),), planes=("sinks", "model_alias"))


def test_a_first_promotion_ends_with_gates_and_switch() -> None:
    plan = plan_promotion(EMPTY, bundle=bundle(1), window=WINDOW, window_is_default=False)

    assert [step.step for step in plan.steps] == [
        "deploy_features",
        "fill_features",
        "verify_features",
        "not_held",
        "no_foreign_edit",
        "bundle_fits",
        "switch_live",
    ]
    assert plan.steps[-1].args == {
        "alias": "models/delay/aliases/production",
        "bundle": "models/delay/bundles/1",
        "kind": "PROMOTION",
        "expected": None,
        "target": None,
        "restores": None,
        "epoch": None,
    }
    assert plan.etag == '"0"'
    assert plan.converges == ("model_alias",)
    assert plan.warnings == ("it is the first release here: there is nothing to roll back to",)


def test_a_promotion_prepares_every_sink_and_fixes_its_target() -> None:
    plan = plan_promotion(LIVE, bundle=bundle(2), window=WINDOW, window_is_default=False)

    assert [step.step for step in plan.steps] == [
        "prepare_sink",
        "deploy_features",
        "fill_features",
        "verify_features",
        "not_held",
        "no_foreign_edit",
        "bundle_fits",
        "switch_live",
    ]
    assert plan.steps[-1].args["expected"] == "models/delay/releases/1"
    assert plan.steps[-1].args["target"] == "models/delay/releases/1"
    assert plan.etag == '"5"'
    assert plan.warnings == ()


def test_an_append_only_sink_is_warned_of() -> None:
    around = replace(LIVE, sinks=(sink(keys=()),))

    plan = plan_promotion(around, bundle=bundle(2), window=WINDOW, window_is_default=False)

    assert plan.warnings == (
        (
            "models/delay/sinks/predictions is append-only and has no release column: "
            "rows of this release cannot be undone once finalized"
        ),
    )


def test_the_same_world_gives_the_same_id_and_another_world_another() -> None:
    def plan_id(**changes: object) -> str:
        around = replace(LIVE, **changes)  # type: ignore[arg-type]  # by keyword, in a test
        return plan_promotion(around, bundle=bundle(2), window=WINDOW, window_is_default=False).id

    assert plan_id() == plan_id()
    assert plan_id(live=live_row(revision=6)) != plan_id()
    assert plan_id(sinks=()) != plan_id()
    assert plan_id(planes=("model_alias",)) != plan_id()


def test_the_epoch_is_no_part_of_what_was_reviewed() -> None:
    plan = plan_promotion(LIVE, bundle=bundle(2), window=WINDOW, window_is_default=False)

    run = plan.with_epoch(9)

    assert run.id == plan.id
    assert run.steps[0].args == {"sink": "models/delay/sinks/predictions", "epoch": 9}
    assert "epoch" not in run.steps[1].args
    assert run.steps[-1].args["epoch"] == 9


def test_a_chosen_window_is_reviewed_and_a_default_one_is_not() -> None:
    later = Window(start=NOON, end=NOON + timedelta(days=2))

    def plan_id(window: Window, *, default: bool) -> str:
        return plan_promotion(LIVE, bundle=bundle(2), window=window, window_is_default=default).id

    assert plan_id(WINDOW, default=False) != plan_id(later, default=False)
    assert plan_id(WINDOW, default=True) == plan_id(later, default=True)


def test_a_rollback_is_the_fences_and_the_pivot() -> None:
    around = replace(LIVE, live=live_row(release=2, bundle=2, target=1))

    plan = plan_rollback(
        around,
        live=live_row(release=2, bundle=2, target=1),
        bundle=bundle_ref(1),
        restores=release(1),
    )

    assert [(step.step, step.args) for step in plan.steps] == [
        (
            "hand_over_sink",
            {"sink": "models/delay/sinks/predictions", "closes": 1002, "epoch": None},
        ),
        (
            "switch_live",
            {
                "alias": "models/delay/aliases/production",
                "bundle": "models/delay/bundles/1",
                "kind": "ROLLBACK",
                "expected": "models/delay/releases/2",
                "target": None,
                "restores": "models/delay/releases/1",
                "epoch": None,
            },
        ),
    ]


def test_a_rollback_inherits_the_target_of_what_it_restores() -> None:
    live = live_row(release=3, bundle=3, target=2)

    plan = plan_rollback(
        replace(LIVE, live=live),
        live=live,
        bundle=bundle_ref(2),
        restores=release(2, bundle=2, target=1),
    )

    assert plan.steps[-1].args["target"] == "models/delay/releases/1"


def test_a_rollback_to_a_fallback_bundle_restores_no_release() -> None:
    plan = plan_rollback(LIVE, live=live_row(release=2), bundle=bundle_ref(7), restores=None)

    pivot = plan.steps[-1].args
    assert (pivot["bundle"], pivot["restores"], pivot["target"]) == (
        "models/delay/bundles/7",
        None,
        None,
    )


def test_finalize_looks_at_the_sinks_and_then_begins() -> None:
    plan = plan_finalize(LIVE, live=live_row())

    assert [step.step for step in plan.steps] == [
        "sink_as_registered",
        "fleet_accepts",
        "begin_finalize",
    ]


IN_PLACE = replace(LIVE, feature_project="delay")


@pytest.mark.parametrize(
    ("way", "before_the_gates", "warnings"),
    [
        (None, [], ()),
        (Way.MODEL_FIRST, [], (BEHIND,)),
        (
            Way.WINDOW,
            [],
            (f"{BEHIND}{AT_LEAST}",),
        ),
        (
            Way.FEATURES_FIRST,
            [
                (
                    "lead_features",
                    {
                        "alias": "models/delay/aliases/production",
                        "bundle": "models/delay/bundles/2",
                    },
                ),
                (
                    "swap_features",
                    {
                        "alias": "models/delay/aliases/production",
                        "bundle": "models/delay/bundles/2",
                        "project": "delay",
                    },
                ),
            ],
            (),
        ),
    ],
)
def test_in_place_features_go_before_the_switch_or_after_it(
    way: Way | None, before_the_gates: list[object], warnings: tuple[str, ...]
) -> None:
    plan = plan_promotion(
        IN_PLACE,
        bundle=bundle(2),
        window=WINDOW,
        window_is_default=False,
        way=way,
        reader_cache=timedelta(minutes=10),
    )

    steps = [step.step for step in plan.steps]
    filled, gates = steps.index("verify_features") + 1, steps.index("not_held")
    assert [(step.step, step.args) for step in plan.steps[filled:gates]] == before_the_gates
    assert steps[gates:] == ["not_held", "no_foreign_edit", "bundle_fits", "switch_live"]
    assert plan.warnings == warnings


def test_each_way_is_another_plan() -> None:
    ids = {
        plan_promotion(
            IN_PLACE, bundle=bundle(2), window=WINDOW, window_is_default=False, way=way
        ).id
        for way in (None, *Way)
    }

    assert len(ids) == 4


def test_of_several_features_lead_once_everything_else_is_there() -> None:
    parts = [
        plan_promotion(
            replace(EMPTY, feature_project=project),
            bundle=bundle(2),
            window=WINDOW,
            window_is_default=False,
            way=Way.FEATURES_FIRST,
        )
        for project in ("one", "two")
    ]

    plan = plan_together(parts, releases=[None, None])

    filled = ["deploy_features", "fill_features", "verify_features"]
    led = ["lead_features", "swap_features"]
    gates = ["not_held", "no_foreign_edit", "bundle_fits"]
    assert [step.step for step in plan.steps] == [
        *filled,
        *filled,
        *led,
        *led,
        *gates,
        *gates,
        "switch_live",
    ]


def test_rollbacks_with_one_pivot_close_all_fences_first_and_wait_as_one() -> None:
    live = live_row(release=2, bundle=2, target=1)
    part = plan_rollback(
        replace(LIVE, live=live), live=live, bundle=bundle_ref(1), restores=release(1)
    )
    parts = [part.with_epoch(epoch) for epoch in (2001, 2002)]

    plan = plan_together(parts, releases=[release(3).ref, release(4).ref])

    *fences, pivot = plan.steps
    assert [(one.step, one.args["epoch"], one.args["waits_as"]) for one in fences] == [
        ("hand_over_sink", 2001, 2001),
        ("hand_over_sink", 2002, 2001),
    ]
    (other,) = pivot.args["together"]
    assert (pivot.args["epoch"], other["epoch"], other["release"], other["kind"]) == (
        2001,
        2002,
        "models/delay/releases/4",
        "ROLLBACK",
    )
    assert plan.warnings[-1].endswith(" go back together")
