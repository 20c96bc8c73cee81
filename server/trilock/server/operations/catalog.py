"""Every step and every gate there is, by name: what plans are made of."""

from collections.abc import Mapping

from trilock.server.domain.ports import Connections
from trilock.server.operations.gates.bundle_fits import BundleFits
from trilock.server.operations.gates.fleet_accepts import FleetAccepts
from trilock.server.operations.gates.no_foreign_edit import NoForeignEdit
from trilock.server.operations.gates.not_held import NotHeld
from trilock.server.operations.gates.sink_as_registered import SinkAsRegistered
from trilock.server.operations.step import Part
from trilock.server.operations.steps.begin_finalize import BeginFinalize
from trilock.server.operations.steps.deploy_features import DeployFeatures
from trilock.server.operations.steps.end_trial import EndTrial
from trilock.server.operations.steps.fill_features import FillFeatures
from trilock.server.operations.steps.hand_over_sink import HandOverSink
from trilock.server.operations.steps.lead_features import LeadFeatures
from trilock.server.operations.steps.prepare_sink import PrepareSink
from trilock.server.operations.steps.set_share import SetShare
from trilock.server.operations.steps.start_trial import StartTrial
from trilock.server.operations.steps.swap_features import SwapFeatures
from trilock.server.operations.steps.switch_live import SwitchLive
from trilock.server.operations.steps.verify_features import VerifyFeatures
from trilock.server.store.database import Database


def steps(database: Database, connections: Connections) -> Mapping[str, Part]:
    """Return every step and every gate there is, by name: what plans are made of."""
    every: tuple[Part, ...] = (
        PrepareSink(database, connections),
        DeployFeatures(database, connections),
        FillFeatures(database, connections),
        VerifyFeatures(database, connections),
        LeadFeatures(),
        SwapFeatures(database, connections),
        SwitchLive(),
        StartTrial(),
        SetShare(),
        EndTrial(),
        BeginFinalize(),
        HandOverSink(database, connections),
        NotHeld(database),
        FleetAccepts(database),
        NoForeignEdit(database, connections),
        BundleFits(database, connections),
        SinkAsRegistered(database, connections),
    )
    return {part.name: part for part in every}
