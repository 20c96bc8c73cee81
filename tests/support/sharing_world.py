"""A world with a second model, `eta`, whose readers read the mirror of the first one."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, WINDOW, World
from trilock.compat import RawObject, Report
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.ports import Planes
from trilock.server.domain.release import LiveRow
from trilock.server.planning.trial import Trial
from trilock.server.store.releases import require_live
from trilock.server.usecases.check_bundle import check_bundle
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.promote import promote
from trilock.server.usecases.promote_together import Subject, promote_together
from trilock.server.usecases.record_bundle import record_bundle
from trilock.server.usecases.roll_back import roll_back

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

    def start(self, bundle: Bundle, *, trial: Trial | None = None) -> Operation:
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
            trial=trial,
        )
        assert operation is not None
        return operation

    def start_together(self, *bundles: Bundle, **changes: Any) -> Operation:
        arguments: dict[str, Any] = {
            "window": WINDOW,
            "plan_id": "",
            "reason": "both at once",
            "accept_unready": "",
            "etag": "",
            "request_id": "",
            "validate_only": False,
            "principal": ANN,
            **changes,
        }
        operation = promote_together(self.runtime, subjects=subjects(*bundles), **arguments)
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


def subjects(*bundles: Bundle) -> list[Subject]:
    return [Subject(alias=alias_of(bundle), bundle=bundle.ref) for bundle in bundles]


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


@contextmanager
def sharing_world(folder: Path) -> Iterator[Sharing]:
    """Yield a world in which both are live, on one definition of the view `weather`."""
    made = Sharing(folder)
    with closing(made.database):
        made.go(made.record_of("delay"))
        made.go(made.record_of("eta"))
        yield made
