"""In place, features go before the model where readers of what is live read on from them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.leading_world import NEW, OLD, Led
from tests.support.sharing_world import ETA_ALIAS, READS_HUMIDITY, Sharing
from tests.support.values import ALIAS, MODEL, NOON
from tests.support.world import ANN, WIDER_INPUTS, WINDOW, world
from trilock.server.domain.errors import (
    IncompatibleError,
    StalePlanError,
    WindowNotAcceptedError,
)
from trilock.server.domain.operation import OperationState
from trilock.server.domain.ports import Window
from trilock.server.planning.middle import Way
from trilock.server.rpc.convert.plan import promotion_to_proto
from trilock.server.usecases.derive_bundle import Half, derive_bundle
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.feature_projects import list_feature_projects, materialize_features
from trilock.server.usecases.promote import plan_promote
from trilock.server.watching.drift_watcher import DriftWatcher
from trilock.server.watching.feature_watcher import FeatureWatcher
from trilock.v1.release_pb2 import PlanOrder
from trilock.v1.report_pb2 import Verdict


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Led]:
    """Bundle 1, which reads `temp`, is final."""
    with world(tmp_path, kind=Led) as made:
        assert isinstance(made, Led)
        made.release(made.record())
        made.seen.clear()
        yield made


def test_a_new_feature_goes_before_the_model_that_reads_it(w: Led) -> None:
    bundle = w.wider()
    before: list[object] = []
    w.sites["switch_live:next"] = lambda: before.extend([w.told(), w.mirrored()])

    planned = w.plan(bundle)
    ended = w.settled(w.lead(bundle))

    assert planned.middle is not None
    assert planned.middle.way is Way.FEATURES_FIRST
    assert [step.step for step in planned.plan.steps] == [
        "deploy_features",
        "fill_features",
        "verify_features",
        "lead_features",
        "swap_features",
        "not_held",
        "no_foreign_edit",
        "bundle_fits",
        "switch_live",
    ]
    assert planned.plan.warnings == ()
    assert before == [("1", "delay"), NEW]
    assert ended.state is OperationState.SUCCEEDED
    assert (w.told(), w.mirrored(), w.converged()) == (("2", "delay"), NEW, True)


def test_the_plan_says_which_order_and_why_and_what_the_other_would_be(w: Led) -> None:
    planned = w.plan(w.wider())

    told = promotion_to_proto(planned, plan=planned.plan)

    first, second = "models/delay/bundles/1", "models/delay/bundles/2"
    assert [(state.model_of, state.features_of, state.verdict) for state in told.states] == [
        (first, first, Verdict.VERDICT_UNSPECIFIED),
        (first, second, Verdict.VERDICT_COMPATIBLE),
        (second, second, Verdict.VERDICT_COMPATIBLE_WITH_WARNINGS),
    ]
    assert (told.order, told.order_why) == (
        PlanOrder.PLAN_ORDER_FEATURES_FIRST,
        "model version 1 reads what it was recorded with from delay version 2, too",
    )
    other = told.other_state
    assert (other.model_of, other.features_of, other.verdict) == (
        second,
        first,
        Verdict.VERDICT_INCOMPATIBLE,
    )
    assert "humidity" in other.why


def test_how_long_features_took_to_lead_is_told_of_the_next_plan(w: Led) -> None:
    w.release(w.wider())

    planned = w.plan(w.record(variant="wider", inputs=WIDER_INPUTS))

    assert planned.pace is not None
    assert {"lead_features", "swap_features"} <= set(planned.pace.steps)


def test_only_the_features_go_along_with_the_model_that_is_live(w: Led) -> None:
    """Nothing is in between that is not live already: the model stays."""
    derived, _ = derive_bundle(
        w.runtime, alias=ALIAS, bundle=w.wider().ref, only=Half.FEATURES, principal=ANN
    )

    planned = w.plan(derived)
    w.release(derived)

    assert planned.middle is not None
    assert (planned.middle.way, planned.refusal) == (Way.MODEL_FIRST, None)
    assert (w.told(), w.mirrored()) == (("1", "delay"), NEW)


def test_only_features_that_are_made_otherwise_need_a_window(w: Led) -> None:
    derived, _ = derive_bundle(
        w.runtime,
        alias=ALIAS,
        bundle=w.record(variant="scaled").ref,
        only=Half.FEATURES,
        principal=ANN,
    )

    planned = w.plan(derived)

    assert planned.middle is not None
    assert planned.middle.way is Way.WINDOW
    assert isinstance(planned.refusal, WindowNotAcceptedError)


def test_only_the_model_is_on_the_features_that_are_live_for_good(w: Led) -> None:
    """What would be between is what would be live: it is judged as that."""
    derived, _ = derive_bundle(
        w.runtime, alias=ALIAS, bundle=w.wider().ref, only=Half.MODEL, principal=ANN
    )

    planned = w.plan(derived)

    assert planned.middle is None
    assert isinstance(planned.refusal, IncompatibleError)


def test_only_features_then_only_model_is_the_same_way_in_two_promotions(w: Led) -> None:
    whole = w.wider()
    for only in (Half.FEATURES, Half.MODEL):
        derived, _ = derive_bundle(
            w.runtime, alias=ALIAS, bundle=whole.ref, only=only, principal=ANN
        )
        w.promote(derived, accept_window="")
        w.settle()
        w.finalize()
        w.settle()

    assert w.live().bundle == whole.ref
    assert (w.told(), w.mirrored(), w.converged()) == (("2", "delay"), NEW, True)


def test_its_rollback_is_model_first_and_goes_together_all_along(w: Led) -> None:
    w.settled(w.lead(w.wider()))

    described = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None)
    rollback = w.roll_back().operation
    assert rollback is not None
    w.pivot()
    between = (w.told(), w.mirrored())
    w.settle()

    assert [step.step for step in described.planned.plan.steps] == ["switch_live"]
    assert described.middle is not None
    assert described.middle.taken.compatible is True
    assert between == (("1", "delay"), NEW)
    assert (w.told(), w.mirrored(), w.converged()) == (("1", "delay"), OLD, True)


def test_nobody_takes_it_for_drift_while_features_lead(w: Led) -> None:
    watcher, feeder = (
        DriftWatcher(w.database, w, interval=60),
        FeatureWatcher(w.database, w, interval=60),
    )
    found: list[object] = []

    def look() -> None:
        watcher.look()
        feeder.look()
        status = describe_alias(w.runtime, ALIAS)
        found.append(
            (status.drifts, [plane.plane for plane in status.planes if not plane.converged])
        )

    w.sites["swap_features:next"] = look
    w.sites["switch_live:next"] = look
    operation = w.lead(w.wider())
    w.settle()

    assert found == [((), []), ((), [])]
    assert w.runtime.journal.get(operation.id).state is OperationState.SUCCEEDED
    watcher.look()
    assert describe_alias(w.runtime, ALIAS).drifts == ()


def test_what_leads_is_fed_and_what_is_parked_is_not(w: Led) -> None:
    w.features.readers["http://server:6566"] = "not yet"
    operation = w.lead(w.wider())
    w.settle()
    w.features.observe(
        "data/celsius.parquet",
        entity="JFK",
        at=NOON + timedelta(days=2),
        values={"temp": 99.0, "humidity": 0.9},
    )
    fed: list[str] = []

    materialize_features(
        w.runtime,
        model=MODEL,
        window=Window(start=NOON, end=NOON + timedelta(days=3)),
        progress=lambda project, _line: fed.append(project),
        done=lambda project, _views: fed.append(project),
    )

    assert set(fed) == {"delay"}
    assert w.mirrored() == {"temp": 99.0, "humidity": 0.9}
    projects = {one.project for one in list_feature_projects(w.runtime, model=None)}
    assert projects == {"delay", w.bundle_of_live().feature_schema.project}
    w.features.readers["http://server:6566"] = ""
    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED


def test_a_plan_is_refused_when_the_way_has_become_another(w: Led) -> None:
    bundle = w.wider()
    reviewed = w.plan(bundle)
    w.release(w.record(variant="scaled"))
    today = w.plan(bundle)

    assert reviewed.middle is not None
    assert today.middle is not None
    assert (reviewed.middle.way, today.middle.way) == (Way.FEATURES_FIRST, Way.WINDOW)
    with pytest.raises(StalePlanError):
        w.promote(bundle, plan_id=reviewed.plan.id)


def test_nothing_leads_that_another_models_readers_would_not_read_on_from(tmp_path: Path) -> None:
    """What goes live together goes live later than features that lead."""
    with world(tmp_path, kind=Sharing) as w:
        assert isinstance(w, Sharing)
        w.soak(w.record_of("delay", features=("temp", "humidity")))
        w.end_soak(ALIAS)
        w.soak(w.record_of("eta", features=("temp", "humidity"), inputs=READS_HUMIDITY))
        w.end_soak(ETA_ALIAS)
        reads_gust = READS_HUMIDITY.replace("humidity", "gust")
        delay = w.record_of("delay", features=("temp", "gust"), inputs=reads_gust)
        eta = w.record_of("eta", features=("temp",))
        w.in_place = True

        planned = plan_promote(
            w.runtime, alias=ALIAS, bundle=delay.ref, window=WINDOW, together={ETA_ALIAS: eta.ref}
        )

    assert planned.middle is not None
    assert planned.middle.way is Way.WINDOW
    assert planned.middle.passed_over is not None
    assert "models/eta/bundles/1 would break" in planned.middle.passed_over.why
