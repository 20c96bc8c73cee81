"""A whole trilock on real MLflow, Feast, git and sinks, driven by hand.

Everything that changes is in one folder and, on PostgreSQL, in two databases, so
that it can be copied. What users do is `World`'s, which has the planes in memory.
"""

import json
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import make_url
from sqlmodel import select

from tests.support.feast_repo import (
    NOW,
    FeastWorld,
    ForkWorker,
    InlineWorker,
    PostgresWorld,
    SqliteWorld,
)
from tests.support.mlflow_world import MlflowWorld, save_template
from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, INPUTS, World
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import AliasRef, ModelName, alias_name, model_name
from trilock.server.domain.operation import FINAL_STATES, Operation
from trilock.server.domain.ports import Planes, Window
from trilock.server.operations.step import Checkpoint
from trilock.server.planes.feast.process import Message
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.planes.pipeline.git_pipeline import GitPipeline
from trilock.server.sinks.connect import sink_database
from trilock.server.store.tables import LiveTable, OperationRow
from trilock.server.usecases.advance import advance
from trilock.server.usecases.promote_together import Subject, promote_together
from trilock.server.usecases.record_bundle import record_bundle

REAL_WINDOW: Final = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))
LIVE_PROJECT: Final = "live"
ETA: Final = model_name("eta")
ETA_ALIAS: Final = AliasRef(ETA, alias_name("production"))


def registered_name(model: str) -> str:
    """Return what MLflow calls *model*."""
    return f"{model}-1"


MODEL_NAME: Final = registered_name(MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where one real world is."""

    folder: Path
    store_url: str
    """trilock's own database; on PostgreSQL the sinks are in it, too."""
    feast_url: str | None
    """Feast's registry and online store on PostgreSQL; None for files."""


class RepositoryWorker(InlineWorker):
    """Imports a repository's Python in a process of its own; does the rest here, in no time."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """See Worker."""
        if request["job"] == "apply_repository":
            ForkWorker().run(request, tell=tell)
        else:
            super().run(request, tell=tell)


class RealWorld(World):
    """Two models in real planes, and a warehouse with a table of the first one's predictions.

    The second one, `eta`, takes the same features, and has neither a mirror nor a sink.
    """

    def __init__(
        self, site: Site, *, at: Checkpoint = lambda _: None, in_place: bool = False
    ) -> None:
        """Open what is at *site*, made if it is not there; nothing is driven yet.

        Args:
            site: Where.
            at: Called at every place a crash must be survivable.
            in_place: Whether readers read the live project itself.
        """
        self._at = at
        self.in_place = in_place
        self._site = site
        self._mlflow_uri = f"sqlite:///{site.folder / 'mlflow.db'}"
        self.warehouse_url = (
            site.store_url if site.feast_url else f"sqlite:///{site.folder / 'warehouse.db'}"
        )
        self._real_registry = MlflowModelRegistry(self._mlflow_uri, time_limit=60)
        self._sinks = sink_database(self.warehouse_url, checkpoint=at)
        self._open(site.store_url)

    @cached_property
    def feast(self) -> FeastWorld:
        """The Feast repository, and trilock's plane on top of it."""
        folder = self._site.folder / "feast"
        if self._site.feast_url is None:
            return SqliteWorld(folder, worker=RepositoryWorker())
        return PostgresWorld(folder, url=make_url(self._site.feast_url), worker=RepositoryWorker())

    def models(self) -> tuple[str, ...]:
        """See Connections."""
        return (MODEL, ETA)

    def planes(self, model: str) -> Planes:
        """See Connections."""
        return Planes(
            registry=self._real_registry,
            registered_model=registered_name(model),
            features=self.feast.store,
            base_project="delay",
            mirror_project=LIVE_PROJECT if model == MODEL else None,
            pipeline=GitPipeline(self.feast.repository),
            repository=self.feast.repository,
            repository_folder="features",
            in_place=self.in_place,
        )

    def in_place_project(self, alias: AliasRef) -> str | None:
        """See Connections."""
        return LIVE_PROJECT if self.in_place and alias == ALIAS else None

    # What users do.

    def make_table(self) -> None:
        """Make the table that the model writes to."""
        self._execute("CREATE TABLE predictions (flight TEXT PRIMARY KEY, delay DOUBLE PRECISION)")

    def train(
        self, *, inputs: str | None = None, variant: str = "celsius", model: ModelName = MODEL
    ) -> tuple[str, str]:
        """Return the version and the commit of a newly trained model."""
        columns = {one["name"]: one["type"] for one in json.loads(inputs or INPUTS)}
        with tempfile.TemporaryDirectory() as scratch:
            mlflow = MlflowWorld(
                registry=self._real_registry,
                uri=self._mlflow_uri,
                artifacts=self._site.folder / "artifacts",
                template=save_template(Path(scratch), inputs=columns),
                scratch=Path(scratch),
            )
            mlflow.model = registered_name(model)
            version = mlflow.register()
        return version, self.feast.commit(variant)

    def record_eta(self, *, variant: str) -> None:
        """Record a bundle of the second model."""
        version, revision = self.train(variant=variant, model=ETA)
        record_bundle(
            self.runtime,
            model=ETA,
            model_version=version,
            feature_schema=None,
            service="delay",
            pipeline_revision=revision,
            serving_config={},
            request_id="",
            validate_only=False,
            principal=ANN,
        )

    def promote(self, bundle: Bundle, **changes: Any) -> Operation:
        """Promote *bundle*, filled with what was six hours ago."""
        return super().promote(bundle, **{"window": REAL_WINDOW, **changes})

    def promote_together(self, *subjects: Subject, request_id: str) -> Operation:
        """Promote all of them with one pivot."""
        operation = promote_together(
            self.runtime,
            subjects=subjects,
            window=REAL_WINDOW,
            plan_id="",
            reason="",
            accept_unready="",
            etag="",
            request_id=request_id,
            validate_only=False,
            principal=ANN,
        )
        assert operation is not None
        return operation

    def advance(self, percent: int, *, request_id: str) -> Operation:
        """Give the canary that share."""
        operation = advance(
            self.runtime,
            alias=ALIAS,
            percent=percent,
            reason="",
            etag="",
            request_id=request_id,
            validate_only=False,
            principal=ANN,
        )
        assert operation is not None
        return operation

    # What happens by itself.

    def busy(self) -> bool:
        """Whether an operation, or a plane that follows, is not at its end yet."""
        with self.database.read() as session:
            states = session.exec(select(OperationRow.state)).all()
            behind = [row for row in session.exec(select(LiveTable)) if row.converged_revision == 0]
        return bool(behind) or not set(states) <= set(FINAL_STATES)

    # What there is to see.

    def table(self) -> dict[str, float]:
        """Return the predictions by flight."""
        return dict(self._execute("SELECT flight, delay FROM predictions"))

    def alias(self, model: ModelName = MODEL) -> str | None:
        """Return the version that MLflow's alias points at."""
        return self._real_registry.alias(model=registered_name(model), alias="production")

    def mirrored(self) -> dict[str, object]:
        """Return what the live project serves."""
        return self.feast.serve(LIVE_PROJECT, origin="JFK")

    def close(self) -> None:
        """Close what is open."""
        self.feast.close()
        self.database.close()

    def _execute(self, statement: str) -> list[Any]:
        if self.warehouse_url.startswith("sqlite"):
            file = self.warehouse_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(file)) as connection, connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(self.warehouse_url, autocommit=True) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
