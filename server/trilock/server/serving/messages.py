"""From a live bundle to the message that every reader is given."""

from google.protobuf.struct_pb2 import Struct

from trilock.server.domain.live import LiveBundle, ServingBundle
from trilock.v1 import release_pb2, serving_pb2


def live_bundle_message(live: LiveBundle, *, generation: int) -> serving_pb2.LiveBundle:
    """Return the message of *live* in a store of that *generation*."""
    return serving_pb2.LiveBundle(
        alias=str(live.alias),
        live=serving_bundle_message(live.live),
        standby=None if live.standby is None else serving_bundle_message(live.standby),
        state=release_pb2.ReleaseState.Value(f"RELEASE_STATE_{live.state.value}"),
        revision=live.revision,
        generation=generation,
        cause=release_pb2.Cause(
            principal=live.cause.principal,
            reason=live.cause.reason,
            incident=live.cause.incident,
        ),
        canary=None if live.canary is None else serving_bundle_message(live.canary),
        canary_percent=live.canary_percent,
        shadow=None if live.shadow is None else serving_bundle_message(live.shadow),
    )


def serving_bundle_message(bundle: ServingBundle) -> serving_pb2.ServingBundle:
    """Return the message of *bundle*."""
    config = Struct()
    config.update(bundle.serving_config)
    return serving_pb2.ServingBundle(
        bundle=str(bundle.bundle),
        release="" if bundle.release is None else str(bundle.release),
        registered_model=bundle.registered_model,
        model_version=bundle.model_version,
        feature_project=bundle.feature_project,
        feature_service=bundle.feature_service,
        pipeline_revision=bundle.pipeline_revision,
        sink_epoch=bundle.sink_epoch,
        serving_config=config,
    )
