"""A sink answers and is as registered, before its rows are moved."""

from typing import ClassVar

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import SinkError
from trilock.server.domain.operation import Json
from trilock.server.domain.ports import Connections
from trilock.server.operations.steps.sink_of import sink_of
from trilock.server.sinks.table_checks import alterations_of
from trilock.server.store.database import Database


class SinkAsRegistered:
    """Implements Gate. Args: sink, epoch."""

    name: ClassVar[str] = "sink_as_registered"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def require(self, args: Json) -> None:
        """Do nothing if the staged rows could be merged.

        Raises:
            SinkError: The table was altered, or the epoch does not stage.
            PlaneUnavailableError: Its database does not answer.
        """
        sink, database = sink_of(args, self._database, self._connections)
        columns = database.inspect(table=sink.table, keys=sink.keys)
        problems = alterations_of(sink.columns, columns)
        state = database.state(sink, epoch=args["epoch"])
        # A sink that was registered during the soak has no fence for this release yet.
        if state not in {None, EpochState.STAGED, EpochState.MERGING, EpochState.DIRECT}:
            problems.append(f"epoch {args['epoch']} is {state}")
        if problems:
            raise SinkError(sink=str(sink.ref), problems=problems)
