"""I6: no swap breaks what another model has live, or could go back to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sharing_world import (
    ETA_ALIAS,
    READS_HUMIDITY,
    READS_TEMP,
    Sharing,
    sharing_world,
)
from tests.support.values import ALIAS, MODEL
from trilock.compat import Report, Verdict
from trilock.server.domain.errors import BusyError, IncompatibleError
from trilock.server.domain.names import AliasRef, alias_name
from trilock.server.domain.operation import OperationState
from trilock.server.operations.catalog import steps
from trilock.server.operations.runner import Runner
from trilock.server.planning.trial import Trial
from trilock.server.usecases.check_bundle import check_bundle
from trilock.server.usecases.roll_back import plan_roll_back


def errors(report: Report) -> list[tuple[str, str]]:
    return [
        (one.rule, one.path)
        for one in report.findings
        if one.rule in {"CON001", "CON002", "CON003"}
    ]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Sharing]:
    with sharing_world(tmp_path) as made:
        yield made


def test_a_swap_that_changes_nothing_for_others_is_compatible(w: Sharing) -> None:
    bundle = w.record_of("delay", features=("temp", "humidity"))

    assert errors(w.judge(bundle)) == []


def test_a_swap_that_another_models_live_bundle_would_not_survive_is_refused(w: Sharing) -> None:
    bundle = w.record_of("delay", features=("humidity",), inputs=READS_HUMIDITY)

    with pytest.raises(IncompatibleError) as raised:
        w.start(bundle)

    # Feast itself could not serve eta's feature service any more.
    assert errors(raised.value.report) == [("CON001", "models/eta/bundles/1/eta")]
    assert "models/eta/bundles/1 would break (FIT014)" in str(raised.value)


def test_a_new_meaning_of_what_another_model_reads_is_refused(w: Sharing) -> None:
    report = w.judge(w.record_of("delay", source="scaled"))

    assert errors(report) == [("CON002", "models/eta/bundles/1/weather:temp")]
    assert report.verdict is Verdict.INCOMPATIBLE


def test_the_rollback_target_of_another_model_is_protected_too(w: Sharing) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    w.go(w.record_of("eta", features=("humidity",), inputs=READS_HUMIDITY))

    report = w.judge(w.record_of("delay", features=("humidity",), inputs=READS_HUMIDITY))

    # eta's live bundle has humidity only; its target, bundle 1, has temp.
    assert errors(report) == [("CON001", "models/eta/bundles/1/eta")]


def test_what_another_model_has_on_trial_is_protected_too(w: Sharing) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    for required in ("true", "false"):
        inputs = READS_HUMIDITY.replace("true", required)
        w.go(w.record_of("eta", features=("humidity",), inputs=inputs))
    w.start(w.record_of("eta", features=("temp", "humidity")), trial=Trial(percent=10))
    w.settle()

    report = w.judge(w.record_of("delay", features=("humidity",), inputs=READS_HUMIDITY))

    assert errors(report) == [("CON001", "models/eta/bundles/4/eta")]


def test_every_other_bundle_that_breaks_is_listed(w: Sharing) -> None:
    w.go(w.record_of("eta", features=("temp",), inputs=READS_TEMP.replace("true", "false")))

    report = w.judge(w.record_of("delay", source="scaled"))

    assert errors(report) == [
        ("CON002", "models/eta/bundles/1/weather:temp"),
        ("CON002", "models/eta/bundles/2/weather:temp"),
    ]


def test_side_by_side_nothing_is_shared(w: Sharing) -> None:
    w.reads = False

    report = w.judge(w.record_of("delay", features=("humidity",), inputs=READS_HUMIDITY))

    assert errors(report) == []


def test_another_alias_that_mirrors_nothing_touches_nobody(w: Sharing) -> None:
    bundle = w.record_of("delay", features=("humidity",), inputs=READS_HUMIDITY)
    canary = AliasRef(MODEL, alias_name("canary"))

    assert errors(check_bundle(w.runtime, alias=canary, bundle=bundle.ref)) == []


def test_a_bundle_must_fit_what_is_mirrored_where_its_readers_read(w: Sharing) -> None:
    bundle = w.record_of("eta", features=("humidity",), inputs=READS_HUMIDITY)

    assert errors(w.judge(bundle)) == [("CON003", "eta")]


def test_nothing_goes_live_on_features_in_soak_whose_rollback_it_would_not_survive(
    w: Sharing,
) -> None:
    w.soak(w.record_of("delay", features=("temp", "humidity")))
    bundle = w.record_of("eta", features=("temp", "humidity"), inputs=READS_HUMIDITY)

    with pytest.raises(IncompatibleError) as raised:
        w.start(bundle)

    assert errors(raised.value.report) == [("CON003", "eta")]
    assert "rolling back models/delay/releases/2, which soaks, breaks it" in str(raised.value)
    w.end_soak(ALIAS)
    assert errors(w.judge(bundle)) == []


def test_two_promotions_that_share_features_wait_for_each_other(w: Sharing) -> None:
    delay = w.record_of("delay", features=("temp", "humidity"))
    eta = w.record_of("eta", inputs=READS_TEMP.replace("true", "false"))
    w.start(delay)

    with pytest.raises(BusyError, match="models/delay/aliases/production/mirror is locked"):
        w.start(eta)
    w.settle()
    w.soak(eta)


def test_a_rollback_turns_back_who_is_about_to_go_live_on_what_it_takes_away(w: Sharing) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    eta = w.start(w.record_of("eta", features=("temp", "humidity"), inputs=READS_HUMIDITY))

    back = w.go_back(ALIAS)
    w.settle()

    assert w.runtime.journal.get(back.id).state is OperationState.SUCCEEDED
    assert w.runtime.journal.get(eta.id).state is OperationState.COMPENSATED
    assert str(w.live_on(ETA_ALIAS).bundle) == "models/eta/bundles/1"


def test_a_rollback_after_the_last_question_turns_it_back_too(w: Sharing) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    eta = w.start(w.record_of("eta", features=("temp", "humidity"), inputs=READS_HUMIDITY))

    def late(site: str) -> None:
        if site == "bundle_fits:asked":
            w.go_back(ALIAS)

    Runner(w.database, w.runtime.journal, steps(w.database, w), at=late).drive(eta.id)
    w.settle()

    assert w.runtime.journal.get(eta.id).state is OperationState.COMPENSATED
    assert str(w.live_on(ETA_ALIAS).bundle) == "models/eta/bundles/1"


def test_a_rollback_is_never_refused_and_says_what_it_breaks_elsewhere(w: Sharing) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    w.go(w.record_of("eta", features=("humidity",), inputs=READS_HUMIDITY))

    plan = plan_roll_back(w.runtime, alias=ALIAS, to_bundle=None).plan
    back = w.settled(w.go_back(ALIAS))

    (warning,) = plan.warnings
    assert warning.startswith("models/eta/bundles/2 would break (FIT014)")
    assert back.state is OperationState.SUCCEEDED


def test_a_rollback_does_not_wait_for_what_cannot_be_told(
    w: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.go(w.record_of("delay", features=("temp", "humidity")))
    monkeypatch.setattr(w.features, "describe", broken)

    assert plan_roll_back(w.runtime, alias=ALIAS, to_bundle=None).plan.warnings == ()


def broken(capture: object) -> None:
    raise RuntimeError(capture)
