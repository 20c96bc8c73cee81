"""Every step, every gate and every projection there is, by name."""

from collections.abc import Mapping, Sequence

from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import LiveRow
from trilock.server.operations.gates.bundle_fits import BundleFits
from trilock.server.operations.gates.no_foreign_edit import NoForeignEdit
from trilock.server.operations.gates.not_held import NotHeld
from trilock.server.operations.gates.sink_as_registered import SinkAsRegistered
from trilock.server.operations.projection import Projection
from trilock.server.operations.projections.feature_mirror import FeatureMirror
from trilock.server.operations.projections.model_alias import ModelAlias
from trilock.server.operations.projections.sinks import Sinks
from trilock.server.operations.step import Part
from trilock.server.operations.steps.begin_finalize import BeginFinalize
from trilock.server.operations.steps.deploy_features import DeployFeatures
from trilock.server.operations.steps.fill_features import FillFeatures
from trilock.server.operations.steps.hand_over_sink import HandOverSink
from trilock.server.operations.steps.prepare_sink import PrepareSink
from trilock.server.operations.steps.switch_live import SwitchLive
from trilock.server.store.database import Database
from trilock.server.store.sinks import list_sinks


def steps(database: Database, connections: Connections) -> Mapping[str, Part]:
    """Return every step and every gate there is, by name: what plans are made of."""
    every: tuple[Part, ...] = (
        PrepareSink(database, connections),
        DeployFeatures(database, connections),
        FillFeatures(database, connections),
        SwitchLive(),
        BeginFinalize(),
        HandOverSink(database, connections),
        NotHeld(database),
        NoForeignEdit(database, connections),
        BundleFits(database, connections),
        SinkAsRegistered(database, connections),
    )
    return {part.name: part for part in every}


class Projections:
    """Which planes follow an alias."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._model_alias = ModelAlias(database, connections)
        self._feature_mirror = FeatureMirror(database, connections)
        self._sinks = Sinks(database, connections)

    def of_alias(self, alias: AliasRef) -> Sequence[Projection]:
        """Return the planes of *alias*, in the order in which they are driven.

        No plane is opened: one whose settings are broken, or gone, fails when it is
        driven, and holds up neither the others nor a rollback.
        """
        with self._database.read() as session:
            has_sinks = bool(list_sinks(session, model=alias.model))
        return [
            *([self._sinks] if has_sinks else []),
            self._model_alias,
            *([self._feature_mirror] if self._connections.has_mirror(alias) else []),
        ]

    def __call__(self, live: LiveRow) -> Sequence[Projection]:
        """Return the planes that follow *live*."""
        return self.of_alias(live.alias)
