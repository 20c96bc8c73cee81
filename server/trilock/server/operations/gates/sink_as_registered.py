"""A sink answers and is as registered, before its rows are moved."""

from typing import ClassVar

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
        """Do nothing if the table is one that staged rows could be moved into.

        Raises:
            SinkError: The table was altered.
            PlaneUnavailableError: Its database does not answer.
        """
        sink, database = sink_of(args, self._database, self._connections)
        columns = database.inspect(table=sink.table, keys=sink.keys)
        problems = alterations_of(sink.columns, columns)
        # Of its fence nothing is asked. A sink that was registered during the soak has none yet;
        # and one that is closed, since the database of trilock was restored from an older copy,
        # would keep the release from ever being final, and any other from going live.
        if problems:
            raise SinkError(sink=str(sink.ref), problems=problems)
