"""Make the staging table and the fence of a release that is to soak."""

from typing import ClassVar

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.operations.steps.sink_of import sink_of
from trilock.server.store.database import Database


class PrepareSink:
    """Implements Step. Args: sink, epoch."""

    name: ClassVar[str] = "prepare_sink"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return what the fence says to writers of the epoch."""
        sink, database = sink_of(args, self._database, self._connections)
        return database.state(sink, epoch=args["epoch"])

    def want(self, args: Json) -> JsonValue:
        """Return STAGED."""
        del args
        return EpochState.STAGED.value

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Make the staging table, and the fence that sends writers to it."""
        sink, database = sink_of(args, self._database, self._connections)
        database.open_staged(sink, epoch=args["epoch"])
        return EpochState.STAGED.value

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Drop the staging table of a release that never went live; its epoch stays closed."""
        sink, database = sink_of(args, self._database, self._connections)
        database.discard(sink, epoch=args["epoch"])
