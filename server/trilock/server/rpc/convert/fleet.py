"""From values of the fleet to messages: total functions, as in `convert`."""

from trilock.server.domain.fleet import Fleet, RecordedAcknowledgement, Watcher, WatcherState
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1 import fleet_pb2, fleet_service_pb2


def watcher_to_proto(watcher: Watcher, *, alias: AliasRef, revision: int) -> fleet_pb2.Watcher:
    """Return the message of *watcher* of *alias*, held against *revision*."""
    state = watcher.state(revision)
    return fleet_pb2.Watcher(
        name=watcher.name,
        alias=str(alias),
        state=fleet_pb2.WatcherState.Value(f"WATCHER_STATE_{state.value}"),
        revision=watcher.revision,
        standby_warm=watcher.standby_warm,
        refusal=watcher.refusal if state is WatcherState.REFUSED else "",
        principal=watcher.principal,
        acknowledge_time=timestamp(watcher.acknowledged),
        report_time=timestamp(watcher.reported),
    )


def fleet_to_proto(fleet: Fleet) -> fleet_pb2.Fleet:
    """Return the message of *fleet*: numbers, and the first names."""
    return fleet_pb2.Fleet(
        revision=fleet.revision,
        watchers=len(fleet.watchers),
        serving=len(fleet.those(WatcherState.SERVING)),
        refused=len(fleet.those(WatcherState.REFUSED)),
        standby_warm=fleet.warm,
        stragglers=fleet.stragglers,
        refusal=fleet.refusal,
    )


def acknowledgement_to_proto(
    one: RecordedAcknowledgement, *, bundle: BundleRef | None
) -> fleet_service_pb2.RecordedAcknowledgement:
    """Return the message of *one*, and of what it was that was served."""
    return fleet_service_pb2.RecordedAcknowledgement(
        alias=str(one.alias),
        watcher=one.watcher,
        principal=one.principal,
        revision=one.revision,
        generation=one.generation,
        refusal=one.refusal,
        acknowledge_time=timestamp(one.at),
        bundle="" if bundle is None else str(bundle),
    )
