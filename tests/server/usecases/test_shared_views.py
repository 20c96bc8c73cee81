"""I6: no swap breaks what another model has live, or could go back to."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, WINDOW, World
from trilock.compat import RawObject, Report, Verdict
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import BusyError, IncompatibleError, UnknownConnectionError
from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.ports import Planes
from trilock.server.domain.release import LiveRow
from trilock.server.store.releases import require_live
from trilock.server.usecases.check_bundle import check_bundle
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.promote import promote
from trilock.server.usecases.record_bundle import record_bundle
from trilock.server.usecases.roll_back import plan_roll_back, roll_back

ETA = model_name("eta")
ETA_ALIAS = AliasRef(ETA, alias_name("production"))
READS_TEMP = '[{"type": "double", "name": "temp", "required": true}]'
READS_HUMIDITY = '[{"type": "double", "name": "humidity", "required": true}]'


class Sharing(World):
    """`delay` mirrors its features, and readers of a second model, `eta`, read that mirror."""

    reads = True

    def models(self) -> tuple[str, ...]:
        return (MODEL, ETA)

    def mirror_readers(self, alias: AliasRef) -> tuple[str, ...]:
        return (ETA,) if alias == ALIAS and self.reads else ()

    def mirrors_read(self, model: str) -> tuple[AliasRef, ...]:
        return (ALIAS,) if model == ETA and self.reads else ()

    def planes(self, model: str) -> Planes:
        if model not in self.models():
            raise UnknownConnectionError(kind="model", name=model, known=self.models())
        return Planes(
            registry=self.registry,
            registered_model=model,
            features=self.features,
            base_project="flights",
            mirror_project="delay" if model == MODEL else None,
            pipeline=self.pipeline,
            repository=Path("repository"),
            repository_folder="feature_repo",
        )

    def record_of(
        self,
        model: str,
        *,
        features: tuple[str, ...] = ("temp",),
        source: str = "celsius",
        inputs: str = READS_TEMP,
    ) -> Bundle:
        """Record a bundle of *model* whose view `weather` has *features* of *source*."""
        revision = self.pipeline.commit({f"{model}.csv": f"{features}{source}".encode()})
        self.features.commit(
            revision, folder="feature_repo", objects=weather(model, features, source=source)
        )
        self.features.observe(
            f"data/{source}.parquet",
            entity="JFK",
            at=WINDOW.start,
            values={"temp": 20.0, "humidity": 0.5},
        )
        version = self.registry.register(model, inputs=inputs, outputs=None)
        recorded = record_bundle(
            self.runtime,
            model=model_name(model),
            model_version=version,
            feature_schema=None,
            service=model,
            pipeline_revision=revision,
            serving_config={},
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert recorded.bundle is not None
        return recorded.bundle

    def start(self, bundle: Bundle) -> Operation:
        operation = promote(
            self.runtime,
            alias=alias_of(bundle),
            bundle=bundle.ref,
            window=WINDOW,
            plan_id="",
            reason="",
            accept_unready="",
            etag="",
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert operation is not None
        return operation

    def soak(self, bundle: Bundle) -> None:
        operation = self.settled(self.start(bundle))
        assert operation.state is OperationState.SUCCEEDED, operation.error_message

    def end_soak(self, alias: AliasRef) -> None:
        finalize(
            self.runtime,
            alias=alias,
            reason="",
            etag="",
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        self.settle()

    def go(self, bundle: Bundle) -> None:
        self.soak(bundle)
        self.end_soak(alias_of(bundle))

    def judge(self, bundle: Bundle) -> Report:
        return check_bundle(self.runtime, alias=alias_of(bundle), bundle=bundle.ref)

    def go_back(self, alias: AliasRef) -> Operation:
        started = roll_back(
            self.runtime,
            alias=alias,
            leaves=self.live_on(alias).release,
            to_bundle=None,
            reason="it is bad",
            incident="",
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert started.operation is not None
        return started.operation

    def live_on(self, alias: AliasRef) -> LiveRow:
        with self.database.read() as session:
            return require_live(session, alias)


def alias_of(bundle: Bundle) -> AliasRef:
    return AliasRef(bundle.ref.model, alias_name("production"))


def weather(service: str, features: tuple[str, ...], *, source: str) -> list[RawObject]:
    fields = [{"name": name, "value_type": 5} for name in features]
    batch = {
        "name": "weather_source",
        "type": 1,
        "timestamp_field": "event_timestamp",
        "file_options": {"uri": f"data/{source}.parquet"},
    }
    view = {
        "name": "weather",
        "entities": ["origin"],
        "features": fields,
        "ttl": "2592000s",
        "online": True,
        "batch_source": batch,
    }
    projection = {"feature_view_name": "weather", "feature_columns": fields}
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("entity", "origin", {"spec": {"name": "origin", "join_key": "origin"}}),
        ("data_source", "weather_source", batch),
        ("feature_view", "weather", {"spec": view}),
        ("feature_service", service, {"spec": {"name": service, "features": [projection]}}),
    ]
    return [
        RawObject(kind=kind, name=name, definition=definition, unknown_fields=False)
        for kind, name, definition in found
    ]


def errors(report: Report) -> list[tuple[str, str]]:
    return [
        (one.rule, one.path)
        for one in report.findings
        if one.rule in {"CON001", "CON002", "CON003"}
    ]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Sharing]:
    """Both models are live, on one and the same definition of the view `weather`."""
    made = Sharing(tmp_path)
    with closing(made.database):
        made.go(made.record_of("delay"))
        made.go(made.record_of("eta"))
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
