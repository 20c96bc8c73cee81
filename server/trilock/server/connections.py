"""The outside systems that the settings name, made on first use and kept.

Nothing heavy is imported until a system is first asked for, so that a server
serves, and a rollback runs, whatever MLflow and Feast take to load.
"""

from __future__ import annotations  # the adapters' types are imported for checking only

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.names import AliasName, AliasRef, ModelName
from trilock.server.domain.ports import (
    FillBounds,
    Filling,
    Freezing,
    Planes,
    SinkDatabase,
    SinkRecords,
)
from trilock.server.settings import (
    FeastConnection,
    GitConnection,
    MlflowConnection,
    ModelSettings,
    Settings,
    SinkConnection,
)

if TYPE_CHECKING:
    from trilock.server.planes.feast.feature_store import FeastFeatureStore
    from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
    from trilock.server.planes.pipeline.git_pipeline import GitPipeline
    from trilock.server.planes.pipeline.workspace import FolderWorkspace

_T = TypeVar("_T")

WORKER_SECONDS: Final = 1800.0
"""Time limit of a worker process that runs user code: capture, materialization."""


class SettingsConnections:
    """Implements Connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[tuple[str, str], object] = {}
        self._lock = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """See Connections."""
        return tuple(sorted(self._settings.models))

    def has_mirror(self, alias: AliasRef) -> bool:
        """See Connections."""
        settings = self._settings.models.get(alias.model)
        return (
            settings is not None
            and settings.mirror_project is not None
            and settings.mirror_alias == alias.alias
        )

    def mirror_readers(self, alias: AliasRef) -> tuple[str, ...]:
        """See Connections."""
        models = sorted(self._settings.models)
        return tuple(model for model in models if alias in self.mirrors_read(model))

    def mirrors_read(self, model: str) -> tuple[AliasRef, ...]:
        """See Connections."""
        reader = self._settings.models.get(model)
        if reader is None:
            return ()
        return tuple(
            AliasRef(ModelName(name), AliasName(other.mirror_alias))
            for name, other in sorted(self._settings.models.items())
            if name != model
            and other.feast == reader.feast
            and other.mirror_project in reader.reads_projects
        )

    def in_place_project(self, alias: AliasRef) -> str | None:
        """See Connections."""
        if not self.has_mirror(alias):
            return None
        settings = self._settings.models[alias.model]
        return settings.mirror_project if settings.features == "in_place" else None

    def freezing(self, model: str) -> Freezing:
        """See Connections."""
        settings = self._settings.models.get(model)
        return Freezing.OFF if settings is None else settings.freeze

    def workspace_of(self, model: str) -> str | None:
        """See Connections."""
        settings = self._settings.models.get(model)
        return None if settings is None or settings.workspace is None else settings.workspace_alias

    def follows_workspace(self, alias: AliasRef) -> bool:
        """See Connections."""
        return (
            self.workspace_of(alias.model) == alias.alias
            and self._settings.models[alias.model].workspace_follows
        )

    def planes(self, model: str) -> Planes:
        """See Connections."""
        settings = self._settings.models.get(model)
        if settings is None:
            raise UnknownConnectionError(kind="model", name=model, known=self.models())
        features = self._feature_store(settings.feast)
        git = self._named(settings.git, GitConnection)
        return Planes(
            registry=self._model_registry(settings.mlflow),
            registered_model=settings.registered_model,
            features=features,
            base_project=settings.base_project or features.base_project,
            mirror_project=settings.mirror_project,
            pipeline=self._pipeline(settings.git),
            repository=git.repository,
            repository_folder=settings.feature_folder,
            workspace=self._workspace(settings),
            max_feature_lag=None
            if settings.max_feature_lag_hours is None
            else timedelta(hours=settings.max_feature_lag_hours),
            loads_model=settings.loads_model,
            reasserts_drift=settings.drift == "reassert",
            readers=settings.feature_servers,
            reader_cache=features.registry_cache,
            in_place=settings.features == "in_place",
            filling=Filling(
                bounds=FillBounds(
                    chunk=timedelta(days=settings.fill.chunk_days), max_rows=settings.fill.max_rows
                ),
                sample=settings.fill.sample,
                retire_after=timedelta(days=settings.fill.retire_after_days),
            ),
        )

    def sink_database(self, connection: str) -> SinkDatabase:
        """See Connections."""
        settings = self._named(connection, SinkConnection)

        def make() -> SinkDatabase:
            from trilock.server.sinks.connect import sink_database  # noqa: PLC0415 - on first use

            return sink_database(settings.url.get_secret_value(), forbidden=self._own_file())

        return self._once("sink", connection, make)

    def sink_records(self, connection: str) -> SinkRecords:
        """See Connections."""
        settings = self._named(connection, SinkConnection)

        def make() -> SinkRecords:
            from trilock.server.sinks.connect import sink_records  # noqa: PLC0415 - on first use

            return sink_records(settings.url.get_secret_value(), forbidden=self._own_file())

        return self._once("sink_records", connection, make)

    def _own_file(self) -> Path | None:
        own = self._settings.database.url.get_secret_value()
        return Path(own.removeprefix("sqlite:///")) if own.startswith("sqlite:///") else None

    def warm(self) -> None:
        """Load what the first use of every model would load; errors are that use's to tell."""
        for connection in {model.mlflow for model in self._settings.models.values()}:
            self._model_registry(connection).warm()

    def _model_registry(self, connection: str) -> MlflowModelRegistry:
        settings = self._named(connection, MlflowConnection)

        def make() -> MlflowModelRegistry:
            from trilock.server.planes.mlflow.model_registry import (  # noqa: PLC0415 - on first use
                MlflowModelRegistry,
            )

            return MlflowModelRegistry(settings.uri.get_secret_value())

        return self._once("mlflow", connection, make)

    def _feature_store(self, connection: str) -> FeastFeatureStore:
        settings = self._named(connection, FeastConnection)

        def make() -> FeastFeatureStore:
            from trilock.server.planes.feast.feature_store import (  # noqa: PLC0415 - on first use
                FeastFeatureStore,
            )

            return FeastFeatureStore(settings.feature_store_yaml, worker_timeout=WORKER_SECONDS)

        return self._once("feast", connection, make)

    def _pipeline(self, connection: str) -> GitPipeline:
        settings = self._named(connection, GitConnection)

        def make() -> GitPipeline:
            from trilock.server.planes.pipeline.git_pipeline import GitPipeline  # noqa: PLC0415 - on first use

            return GitPipeline(settings.repository, cache=settings.cache, remotes=settings.remotes)

        return self._once("git", connection, make)

    def _workspace(self, settings: ModelSettings) -> FolderWorkspace | None:
        if settings.workspace is None:
            return None
        from trilock.server.planes.pipeline.workspace import FolderWorkspace  # noqa: PLC0415 - on first use

        return FolderWorkspace(settings.workspace, self._pipeline(settings.git))

    def _once(self, kind: str, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            made = self._made.get((kind, name))
            if made is None:
                made = self._made[kind, name] = make()
        return made  # type: ignore[return-value]  # what `make` of this kind made

    def _named(self, name: str, kind: type[_T]) -> _T:
        connection = self._settings.connections.get(name)
        if not isinstance(connection, kind):
            known = sorted(
                key for key, value in self._settings.connections.items() if isinstance(value, kind)
            )
            label = kind.__name__.removesuffix("Connection").lower()
            raise UnknownConnectionError(kind=f"{label} connection", name=name, known=known)
        return connection
