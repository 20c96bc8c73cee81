"""Between the messages of Watch and the values of `watch`: pure."""

from trilock.client._resolver.watch import Message, Watch
from trilock.client.live import LiveBundle
from trilock.v1.serving_service_pb2 import WatchRequest, WatchResponse


def watch_request(watch: Watch, *, aliases: tuple[str, ...]) -> WatchRequest:
    """Return the request that goes on where *watch* is."""
    generation, revision = watch.resume_from()
    return WatchRequest(aliases=aliases, start_revision=revision, generation=generation)


def read_message(response: WatchResponse) -> Message:
    """Return the value of *response*."""
    return Message(
        position=(response.generation, response.revision),
        snapshot=response.snapshot,
        live_bundles=tuple(LiveBundle.from_live(live) for live in response.live_bundles),
    )
