"""The sink that a step's arguments name, with the database behind it."""

from trilock.server.domain.names import SinkRef
from trilock.server.domain.operation import Json
from trilock.server.domain.ports import Connections, SinkDatabase
from trilock.server.domain.sink import Sink
from trilock.server.store.database import Database
from trilock.server.store.sinks import get_sink


def sink_of(args: Json, database: Database, connections: Connections) -> tuple[Sink, SinkDatabase]:
    """Return the sink named by `args["sink"]` and its database."""
    with database.read() as session:
        sink = get_sink(session, SinkRef.parse(args["sink"]))
    return sink, connections.sink_database(sink.connection)
