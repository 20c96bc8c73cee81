"""Feast as a FeatureStore: definitions by SQL, values by Feast in a worker.

The server never imports Feast. Definitions are raw protos, moved in single
transactions; whatever runs the user's code happens in a worker process on a
throwaway copy of the registry, so that only code of ours writes the real one.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.domain.ports import (
    NO_BOUNDS,
    Comparison,
    FillBounds,
    InPlace,
    Progress,
    ViewState,
    Window,
)
from trilock.server.planes.feast import definitions, deploy, freeze, reader
from trilock.server.planes.feast.config import OtherOnlineConfig, read_config
from trilock.server.planes.feast.database import Database
from trilock.server.planes.feast.definitions import definition_digest, keys
from trilock.server.planes.feast.deploy import Expected
from trilock.server.planes.feast.differences import differences
from trilock.server.planes.feast.feeding import Feeder
from trilock.server.planes.feast.in_place import Place
from trilock.server.planes.feast.job_runner import JobRunner
from trilock.server.planes.feast.mirroring import mirror
from trilock.server.planes.feast.online import OnlineView, online_views
from trilock.server.planes.feast.process import Message, Worker, WorkerProcess
from trilock.server.planes.feast.repository import capture_commit
from trilock.server.planes.feast.sql_registry import SqlRegistry, SqlSession
from trilock.server.planes.feast.stores import Stores, again
from trilock.server.planes.feast.tokens import token


class FeastFeatureStore:
    """Implements FeatureStore for the registry and online store of one `feature_store.yaml`."""

    def __init__(
        self, feature_store_yaml: Path, *, worker_timeout: float, worker: Worker | None = None
    ) -> None:
        self._config = read_config(feature_store_yaml)
        self._worker = worker or WorkerProcess(timeout=worker_timeout)
        self._jobs = JobRunner(self._config, self._worker)
        self._stores = Stores(self._config)
        self._feeder = Feeder(self._stores, self._jobs)
        self._place = Place(self._stores)

    @property
    def base_project(self) -> str:
        """The project that `feature_store.yaml` names."""
        return self._config.project

    @property
    def registry_cache(self) -> timedelta | None:
        """How long readers go on with the definitions that they have; None for good."""
        return self._config.registry_cache

    def close(self) -> None:
        """Close the connections to the databases."""
        self._stores.close()

    def capture_project(self, *, project: str, service: str) -> FeatureCapture:
        """See FeatureStore."""
        with self._stores.registry.reading() as session:
            projects = session.projects()
            objects = session.read(project)
        if not objects and project not in projects:
            raise NotFoundError(
                f"Feast project {project!r}", hint=f"there is: {', '.join(projects) or 'none'}"
            )
        return definitions.make_capture(objects, service=service, project=project, revision=None)

    def capture_repository(
        self, *, repository: Path, revision: str, folder: str, service: str
    ) -> FeatureCapture:
        """See FeatureStore."""
        return capture_commit(
            self._worker,
            self._config,
            repository=repository,
            revision=revision,
            folder=folder,
            service=service,
        )

    def describe(self, capture: FeatureCapture) -> tuple[RawObject, ...]:
        """See FeatureStore."""
        return definitions.describe(capture)

    def definition(self, capture: FeatureCapture, *, project: str) -> str | None:
        """See FeatureStore."""
        with self._stores.registry.reading() as session:
            return definition_digest(session.read(project, only=keys(capture)))

    def freeze(self, *, owner: str, projects: Mapping[str, str]) -> None:
        """See FeatureStore."""
        with self._postgres().begin("write") as connection:
            freeze.freeze(connection, owner=owner, projects=projects)

    def frozen(self, *, owner: str) -> Mapping[str, str]:
        """See FeatureStore."""
        with self._postgres().begin("read") as connection:
            return freeze.frozen(connection, owner=owner)

    def _postgres(self) -> Database:
        registry = self._stores.registry
        if not isinstance(registry, SqlRegistry) or not registry.database.is_postgres:
            raise PreconditionError("only the projects of a registry on PostgreSQL can be frozen")
        return registry.database

    def token(self, *, project: str) -> str:
        """See FeatureStore."""
        with self._stores.registry.reading() as session:
            return token(session, project)

    def differences(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        with self._stores.registry.reading() as session:
            return differences(capture, session.read(project, only=keys(capture)))

    def deploy(self, capture: FeatureCapture, *, project: str, expected: str | None) -> None:
        """See FeatureStore."""
        views = online_views(capture)
        again(lambda: self._deploy(capture, views, project=project, expected=expected))
        if isinstance(self._config.online, OtherOnlineConfig):
            self._jobs.run("make_tables", capture, project=project, tell=_ignore)

    def _deploy(
        self,
        capture: FeatureCapture,
        views: tuple[OnlineView, ...],
        *,
        project: str,
        expected: Expected,
    ) -> None:
        with self._stores.registry.writing(project) as session:
            deploy.deploy(session, capture, project=project, expected=expected)
            # Before the definitions are committed: who sees a view finds its table.
            self._stores.make_tables(session, views, project=project)

    def fill(
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        progress: Progress,
        bounds: FillBounds = NO_BOUNDS,
        resume: bool = False,
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        return self._feeder.fill(
            capture, project=project, window=window, progress=progress, bounds=bounds, resume=resume
        )

    def compare(
        self, capture: FeatureCapture, *, project: str, window: Window, sample: int
    ) -> tuple[Comparison, ...]:
        """See FeatureStore."""
        return self._feeder.compare(capture, project=project, window=window, sample=sample)

    def in_place(self, capture: FeatureCapture, *, project: str) -> InPlace | None:
        """See FeatureStore."""
        return self._place.look(capture, project=project)

    def swap(
        self,
        capture: FeatureCapture,
        *,
        source: str,
        project: str,
        leaves: FeatureCapture | None,
    ) -> None:
        """See FeatureStore."""
        self._place.swap(capture, source=source, project=project, leaves=leaves)

    def distrust(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        self._place.distrust(capture, project=project)

    def vouch(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        self._place.vouch(capture, project=project)

    def ask_reader(self, url: str, *, comparisons: Sequence[Comparison]) -> str:
        """See FeatureStore."""
        return reader.ask(url, comparisons=comparisons)

    def retire(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        views = online_views(capture)

        def remove() -> tuple[str, ...]:
            with self._stores.registry.writing(project) as session:
                kept = deploy.remove(session, capture, project=project)
                if isinstance(session, SqlSession) and self._stores.shares(session):
                    assert self._stores.online is not None  # noqa: S101 - it shares the database
                    self._stores.online.drop(session.connection, project=project, views=views)
                    return kept
            # Definitions first: a table without one is no trap, a watermark without its table is.
            if self._stores.online is not None and self._stores.online.database.exists:
                with self._stores.online.database.begin("write") as connection:
                    self._stores.online.drop(connection, project=project, views=views)
            return kept

        kept = again(remove)
        if isinstance(self._config.online, OtherOnlineConfig):
            return (*kept, f"{self._config.online.type}: its values, which only Feast can remove")
        return kept

    def views(
        self, capture: FeatureCapture, *, project: str, count: bool = True
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        return self._stores.views(capture, project=project, count=count)

    def mirror(self, capture: FeatureCapture, *, source: str, project: str) -> None:
        """See FeatureStore."""
        mirror(self._stores, capture, source=source, project=project)


def _ignore(message: Message) -> None:
    del message
