"""Sinks as messages."""

from trilock.server.domain.sink import Sink
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1 import sink_pb2


def sink_to_proto(sink: Sink) -> sink_pb2.Sink:
    """Return the message of *sink*."""
    return sink_pb2.Sink(
        name=str(sink.ref),
        connection=sink.connection,
        table=sink.table,
        keys=sink.keys,
        columns=[
            sink_pb2.SinkColumn(name=column.name, type=column.type, nullable=column.nullable)
            for column in sink.columns
        ],
        create_time=timestamp(sink.created),
        creator=sink.creator,
        live_view=f"{sink.table}_live" if sink.live_view else "",
        undoable=sink.undoable,
    )
