"""From a live bundle to a writer of one of its model's sinks: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trilock.client.errors import InvalidError

if TYPE_CHECKING:
    from trilock.client._blocking import Client
    from trilock.client.live import LiveBundle
    from trilock.client.sinks import SinkWriter


def sink_writer(
    client: Client, live: LiveBundle, sink: str, *, connections: Mapping[str, str] | str
) -> SinkWriter:
    """Return a writer of *sink* that holds the epoch of *live*. See `Resolver.sink`."""
    # Imported here: a process that writes nothing needs no database driver.
    from trilock.client.sinks import SinkWriter  # noqa: PLC0415

    name = f"models/{live.alias.split('/')[1]}/sinks/{sink}"
    url = connections if isinstance(connections, str) else _url_of(client, name, connections)
    return SinkWriter(url, sink=name, epoch=live.sink_epoch)


def _url_of(client: Client, name: str, connections: Mapping[str, str]) -> str:
    from trilock.v1.sink_service_pb2 import GetSinkRequest  # noqa: PLC0415

    connection = client.sinks.GetSink(GetSinkRequest(name=name)).sink.connection
    if connection not in connections:
        known = ", ".join(sorted(connections)) or "none"
        raise InvalidError(
            f"{name} is on connection {connection!r}, and the connections given are: {known}",
            reason="UNKNOWN_CONNECTION",
            metadata={"kind": "connection", "name": connection},
        )
    return connections[connection]
