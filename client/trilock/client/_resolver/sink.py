"""From what the server says to a sink's own database: the one place that knows both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trilock.client.errors import InvalidError

if TYPE_CHECKING:
    from trilock.client._transport.blocking import Client
    from trilock.client.live import LiveBundle
    from trilock.client.sinks import SinkWriter
    from trilock.v1.receipt_pb2 import Receipt
    from trilock.v1.sink_pb2 import Sink


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

    return _chosen(connections, client.sinks.GetSink(GetSinkRequest(name=name)).sink, name)


def _chosen(connections: Mapping[str, str], named: Sink | Receipt, name: str) -> str:
    connection = named.connection
    if connection not in connections:
        known = ", ".join(sorted(connections)) or "none"
        raise InvalidError(
            f"{name} is on connection {connection!r}, and the connections given are: {known}",
            reason="UNKNOWN_CONNECTION",
            metadata={"kind": "connection", "name": connection},
        )
    return connections[connection]


def quarantine_of(
    client: Client, release: str, sink: str, *, connections: Mapping[str, str] | str
) -> Iterator[dict[str, Any]]:
    """Return the rows of *release* that are held apart from the table, for a replay.

    Args:
        client: Says which epoch and which connection those are.
        release: For example `models/delay/releases/4`.
        sink: The sink's short name, e.g. `predictions`.
        connections: URLs of the caller's own by the names that the server's settings
            have for them; or the URL alone.

    Raises:
        NotFoundError: There is no such release or sink, or it never wrote there.
        InvalidError: The sink's connection is not in *connections*.
        PreconditionError: The rows were purged.
        UnavailableError: The sink's database does not answer.
    """
    from trilock.client.sinks.quarantine import quarantined  # noqa: PLC0415
    from trilock.v1.sink_service_pb2 import GetReceiptRequest  # noqa: PLC0415

    # A malformed name is the server's to refuse.
    name = f"{release.partition('/releases/')[0]}/sinks/{sink}"
    request = GetReceiptRequest(release=release, sink=name)
    (receipt,) = client.sinks.GetReceipt(request).receipts
    url = connections if isinstance(connections, str) else _chosen(connections, receipt, name)
    return quarantined(url, sink=name, epoch=receipt.epoch)
