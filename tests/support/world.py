"""A whole trilock, driven by hand: real store, operations and sinks; planes in memory.

The planes are the fakes that pass the same conformance suites as MLflow, Feast
and git. Nothing runs by itself: `settle` drives what is due, in this thread.
"""

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlmodel import SQLModel, update

from tests.support.feast_objects import feast_objects, source_of
from tests.support.values import ALIAS, MODEL, NOON
from trilock.client.sinks import SinkWriter
from trilock.server.convergence.catalog import Projections
from trilock.server.convergence.converger import Converger
from trilock.server.convergence.finish import finish_release
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.fleet import FleetPolicy
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef, SinkRef
from trilock.server.domain.operation import Operation
from trilock.server.domain.ports import Freezing, Planes, SinkDatabase, SinkRecords, Window
from trilock.server.domain.release import LiveRow
from trilock.server.operations.catalog import steps
from trilock.server.operations.journal import Journal
from trilock.server.operations.runner import Runner
from trilock.server.operations.step import Checkpoint
from trilock.server.planes.memory.feature_store import MemoryFeatureStore
from trilock.server.planes.memory.model_registry import MemoryModelRegistry
from trilock.server.planes.memory.pipeline import MemoryPipeline
from trilock.server.sinks.connect import sink_database, sink_records
from trilock.server.store.bundles import get_bundle
from trilock.server.store.counters import begin_generation
from trilock.server.store.database import Database
from trilock.server.store.releases import get_release, require_live
from trilock.server.store.tables import PlaneStateRow
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.promote import promote
from trilock.server.usecases.record_bundle import record_bundle
from trilock.server.usecases.register_sink import register_sink
from trilock.server.usecases.roll_back import StartedRollback, roll_back
from trilock.server.usecases.runtime import Runtime
from trilock.server.workers.lease import TTL

WINDOW: Final = Window(start=NOON - timedelta(days=1), end=NOON + timedelta(days=1))
SINK: Final = SinkRef(MODEL, "predictions")
INPUTS: Final = '[{"type": "double", "name": "temp", "required": true}]'
WIDER_INPUTS: Final = (
    '[{"type": "double", "name": "temp", "required": true},'
    ' {"type": "double", "name": "humidity", "required": true}]'
)
"""Of a model that reads the feature that `wider` adds."""
OUTPUTS: Final = '[{"type": "double", "name": "delay", "required": true}]'
ANN: Final = "ann"


class World:
    """One model, `delay`, its planes, and a warehouse with a table of predictions."""

    in_place: bool = False
    """Whether features are served in place, from the one project."""
    _ttl: float = TTL
    """Of leases; seconds."""
    _durable: bool = False
    """Whether a SQLite file must outlive a power cut; it takes time."""

    def __init__(self, folder: Path, *, at: Checkpoint = lambda _: None) -> None:
        self._at = at
        self.registry = MemoryModelRegistry()
        self.features = MemoryFeatureStore()
        self.pipeline = MemoryPipeline()
        self.warehouse = folder / "warehouse.db"
        with closing(sqlite3.connect(self.warehouse)) as connection, connection:
            connection.execute("CREATE TABLE predictions (flight TEXT PRIMARY KEY, delay REAL)")
        self.warehouse_url = f"sqlite:///{self.warehouse}"
        self._sinks = sink_database(self.warehouse_url)
        self._open(f"sqlite:///{folder / 'trilock.db'}")

    def beside(self, path: Path) -> "World":
        """Return another trilock on database *path*, a copy or new, in the same outside world."""
        return self.replica(f"sqlite:///{path}")

    def replica(self, url: str) -> "World":
        """Return another server of the same outside world, on the database *url*."""
        other = copy.copy(self)
        other._open(url)
        return other

    def _open(self, url: str) -> None:
        self.database = Database(url, durable=self._durable)
        SQLModel.metadata.create_all(self.database.engine)
        with self.database.write() as session:
            begin_generation(session)
        self.runtime = Runtime(
            database=self.database, connections=self, journal=Journal(self.database)
        )
        self._runner = Runner(
            self.database,
            self.runtime.journal,
            steps(self.database, self),
            ttl=self._ttl,
            at=self._at,
        )
        self.wait_for_fleet(FleetPolicy(patience_seconds=0))

    def wait_for_fleet(self, policy: FleetPolicy) -> None:
        self._converger = Converger(
            self.database,
            self.runtime.journal,
            Projections(self.database, self, fleet=policy),
            on_converged=finish_release,
            ttl=self._ttl,
            at=self._at,
        )

    # Connections.

    def models(self) -> tuple[str, ...]:
        return (MODEL,)

    def has_mirror(self, alias: AliasRef) -> bool:
        return alias == ALIAS

    def mirror_readers(self, alias: AliasRef) -> tuple[str, ...]:
        del alias
        return ()

    def mirrors_read(self, model: str) -> tuple[AliasRef, ...]:
        del model
        return ()

    def in_place_project(self, alias: AliasRef) -> str | None:
        return "delay" if self.in_place and alias == ALIAS else None

    def freezing(self, model: str) -> Freezing:
        return Freezing.OFF

    def workspace_of(self, model: str) -> str | None:
        return None

    def follows_workspace(self, alias: AliasRef) -> bool:
        return False

    def planes(self, model: str) -> Planes:
        if model != MODEL:
            raise UnknownConnectionError(kind="model", name=model, known=self.models())
        return Planes(
            registry=self.registry,
            registered_model="delay",
            features=self.features,
            base_project="flights",
            mirror_project="delay",
            pipeline=self.pipeline,
            repository=Path("repository"),
            repository_folder="feature_repo",
            in_place=self.in_place,
            readers=tuple(self.features.readers),
        )

    def sink_database(self, connection: str) -> SinkDatabase:
        if connection != "warehouse":
            raise UnknownConnectionError(
                kind="sink connection", name=connection, known=["warehouse"]
            )
        return self._sinks

    def sink_records(self, connection: str) -> SinkRecords:
        self.sink_database(connection)
        return sink_records(f"sqlite:///{self.warehouse}")

    # What users do.

    def register(self) -> None:
        register_sink(
            self.runtime,
            sink=SINK,
            connection="warehouse",
            table="predictions",
            keys=("flight",),
            validate_only=False,
            principal=ANN,
        )

    def train(self, *, inputs: str | None = INPUTS, variant: str = "celsius") -> tuple[str, str]:
        """Return the version and the commit of a newly trained model."""
        revision = self.pipeline.commit({"data/weather.csv": variant.encode()})
        self.features.commit(revision, folder="feature_repo", objects=feast_objects(variant))
        for hour, temperature in ((0, 20.0), (1, 21.0)):
            self.features.observe(
                f"data/{source_of(variant)}.parquet",
                entity="JFK",
                at=NOON + timedelta(hours=hour),
                values={"temp": temperature, "humidity": 0.5},
            )
        version = self.registry.register("delay", inputs=inputs, outputs=OUTPUTS)
        return version, revision

    def record(self, **training: Any) -> Bundle:
        return self.record_trained(*self.train(**training))

    def record_trained(self, version: str, revision: str) -> Bundle:
        recorded = record_bundle(
            self.runtime,
            model=MODEL,
            model_version=version,
            feature_schema=None,
            service="delay",
            pipeline_revision=revision,
            serving_config={"image": f"sha256:{version}"},
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        assert recorded.bundle is not None
        return recorded.bundle

    def promote(self, bundle: Bundle, **changes: Any) -> Operation:
        arguments: dict[str, Any] = {
            "alias": ALIAS,
            "window": WINDOW,
            "plan_id": "",
            "reason": "",
            "accept_unready": "",
            "etag": "",
            "request_id": "",
            "validate_only": False,
            "principal": ANN,
            "accept_window": "it is a test" if self.in_place else "",
            **changes,
        }
        operation = promote(self.runtime, bundle=bundle.ref, **arguments)
        assert operation is not None
        return operation

    def finalize(self, **changes: Any) -> Operation:
        arguments: dict[str, Any] = {
            "alias": ALIAS,
            "reason": "",
            "etag": "",
            "request_id": "",
            "validate_only": False,
            "principal": ANN,
            **changes,
        }
        operation = finalize(self.runtime, **arguments)
        assert operation is not None
        return operation

    def roll_back(self, **changes: Any) -> StartedRollback:
        arguments: dict[str, Any] = {
            "alias": ALIAS,
            "leaves": self.live().release,
            "to_bundle": None,
            "reason": "it is bad",
            "incident": "INC-7",
            "request_id": "",
            "validate_only": False,
            "principal": ANN,
            **changes,
        }
        return roll_back(self.runtime, **arguments)

    # What happens by itself.

    def settle(self) -> None:
        """Drive everything that is due."""
        while self._runner.run_due() or self._converger.run_due():
            pass

    def pivot(self) -> None:
        """Drive operations only: planes, and who watches, are left behind."""
        while self._runner.run_due():
            pass

    def settled(self, operation: Operation) -> Operation:
        """Drive everything that is due; return what became of *operation*."""
        self.settle()
        return self.runtime.journal.get(operation.id)

    def release(self, bundle: Bundle) -> ReleaseRef:
        """Promote and finalize *bundle*."""
        self.promote(bundle)
        self.settle()
        self.finalize()
        self.settle()
        return self.live().release

    def retry_planes(self) -> None:
        """Have what waits for its next try be due now."""
        with self.database.write() as session:
            session.exec(update(PlaneStateRow).values(not_before_ms=0))

    # What there is to see.

    def live(self, alias: AliasRef = ALIAS) -> LiveRow:
        with self.database.read() as session:
            return require_live(session, alias)

    def bundle_of(self, release: ReleaseRef) -> BundleRef:
        with self.database.read() as session:
            return get_release(session, release).bundle

    def bundle_of_live(self) -> Bundle:
        with self.database.read() as session:
            return get_bundle(session, self.live().bundle)

    def writer(self, release: ReleaseRef, *, sink: SinkRef = SINK) -> SinkWriter:
        with self.database.read() as session:
            epoch = get_release(session, release).epoch
        return SinkWriter(self.warehouse_url, sink=str(sink), epoch=epoch)

    def write(self, release: ReleaseRef, **delays: float) -> None:
        with self.writer(release) as writer:
            writer.write([{"flight": flight, "delay": delay} for flight, delay in delays.items()])

    def table(self) -> dict[str, float]:
        with closing(sqlite3.connect(self.warehouse)) as connection:
            return dict(connection.execute("SELECT flight, delay FROM predictions"))

    def alias(self) -> str | None:
        return self.registry.alias(model="delay", alias="production")

    def mirrored(self) -> dict[str, object]:
        return self.features.served("delay", "delay", entity="JFK")


@contextmanager
def world(folder: Path, *, kind: Callable[[Path], World] = World) -> Iterator[World]:
    made = kind(folder)
    try:
        yield made
    finally:
        made.database.close()
