"""Live bundles for tests, as messages and as values."""

from __future__ import annotations  # an enum's ValueType is in the stubs only

from trilock.client.live import LiveBundle
from trilock.v1 import serving_pb2
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.serving_service_pb2 import WatchResponse

ALIAS = "models/delay/aliases/production"


def live_message(
    *,
    alias: str = ALIAS,
    bundle: int = 1,
    release: int = 1,
    revision: int = 1,
    generation: int = 1,
    standby: int | None = None,
    state: ReleaseState.ValueType = ReleaseState.RELEASE_STATE_FINALIZED,
) -> serving_pb2.LiveBundle:
    """Return the message of an alias on which *bundle* is live as *release*."""
    message = serving_pb2.LiveBundle(
        alias=alias,
        live=serving_bundle(alias=alias, bundle=bundle, release=release),
        state=state,
        revision=revision,
        generation=generation,
    )
    message.cause.principal = "alice"
    message.cause.reason = "because"
    if standby is not None:
        message.standby.CopyFrom(serving_bundle(alias=alias, bundle=standby, release=standby))
    return message


def serving_bundle(*, alias: str, bundle: int, release: int) -> serving_pb2.ServingBundle:
    """Return the message of *bundle* of the model of *alias*."""
    model = alias.split("/")[1]
    message = serving_pb2.ServingBundle(
        bundle=f"models/{model}/bundles/{bundle}",
        release=f"models/{model}/releases/{release}",
        registered_model=model,
        model_version=str(bundle),
        feature_project=f"{model}__s{bundle}",
        feature_service=f"{model}_v{bundle}",
        pipeline_revision=f"{bundle:040x}",
        sink_epoch=release,
    )
    message.serving_config.update({"image": f"sha256:{bundle}", "flags": {"limit": 3}})
    return message


def live_bundle(
    *, alias: str = ALIAS, bundle: int = 1, revision: int = 1, generation: int = 1
) -> LiveBundle:
    """Return the value of `live_message`."""
    return LiveBundle.from_live(
        live_message(alias=alias, bundle=bundle, revision=revision, generation=generation)
    )


def watch_response(
    *messages: serving_pb2.LiveBundle,
    revision: int = 0,
    generation: int = 1,
    snapshot: bool = False,
) -> WatchResponse:
    """Return a message of Watch, as far as its newest live bundle unless *revision* says more."""
    newest = max((message.revision for message in messages), default=0)
    return WatchResponse(
        live_bundles=messages,
        revision=revision or newest,
        generation=generation,
        snapshot=snapshot,
    )
