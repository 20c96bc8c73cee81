"""Every projection there is, and which of them follow an alias."""

from collections.abc import Sequence

from sqlmodel import Session

from trilock.server.convergence.projection import Projection
from trilock.server.convergence.projections.feature_freeze import FeatureFreeze
from trilock.server.convergence.projections.feature_mirror import FeatureMirror
from trilock.server.convergence.projections.feature_projects import FeatureProjects
from trilock.server.convergence.projections.fleet import FleetFollows
from trilock.server.convergence.projections.model_alias import ModelAlias
from trilock.server.convergence.projections.pipeline_workspace import PipelineWorkspace
from trilock.server.convergence.projections.sinks import Sinks
from trilock.server.domain.fleet import FleetPolicy
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Connections, Freezing
from trilock.server.domain.release import LiveRow
from trilock.server.store.database import Database
from trilock.server.store.drifts import open_drifts
from trilock.server.store.fleet import has_watchers
from trilock.server.store.sinks import list_sinks


class Projections:
    """Which planes follow an alias."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        *,
        fleet: FleetPolicy | None = None,
    ) -> None:
        self._database = database
        self._connections = connections
        self._model_alias = ModelAlias(database, connections)
        self._feature_mirror = FeatureMirror(database, connections)
        self._feature_freeze = FeatureFreeze(database, connections)
        self._feature_projects = FeatureProjects(database, connections)
        self._pipeline_workspace = PipelineWorkspace(database, connections)
        self._sinks = Sinks(database, connections)
        self._fleet = FleetFollows(database, fleet or FleetPolicy())

    def of_alias(self, session: Session, alias: AliasRef) -> Sequence[Projection]:
        """Return the planes of *alias*, in the order in which they are driven.

        No plane is opened: one whose settings are broken, or gone, fails when it is
        driven, and holds up neither the others nor a rollback.
        """
        freezes = self._connections.freezing(alias.model) is not Freezing.OFF
        has_sinks = bool(list_sinks(session, model=alias.model))
        reasserts = any(
            drift.reasserted and drift.plane == FeatureProjects.name
            for drift in open_drifts(session, alias)
        )
        watched = has_watchers(session, alias)
        return [
            *([self._sinks] if has_sinks else []),
            *([self._fleet] if watched else []),
            self._model_alias,
            *([self._feature_projects] if reasserts else []),
            *([self._feature_freeze] if freezes else []),
            *([self._feature_mirror] if self._connections.has_mirror(alias) else []),
            *([self._pipeline_workspace] if self._connections.follows_workspace(alias) else []),
        ]

    def __call__(self, live: LiveRow) -> Sequence[Projection]:
        """Return the planes that follow *live*."""
        with self._database.read() as session:
            return self.of_alias(session, live.alias)
