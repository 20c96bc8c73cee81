"""Fence the writers of the release that is left; let those of the new one in.

Done before the pivot when the sink's database answers, so that no row of the
bad release follows the switch. When it does not, the rollback goes on: rows of
a release that soaks are not in the table anyway, and the `sinks` projection
closes the fence as soon as the database is back (DESIGN, I5).
"""

import logging
from typing import ClassVar

from trilock.server.domain.errors import PlaneUnavailableError, SinkError
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.domain.sink import EpochState
from trilock.server.operations.steps.sink_of import sink_of
from trilock.server.store.database import Database

_log = logging.getLogger(__name__)


class HandOverSink:
    """Implements Step. Args: sink, closes, epoch.

    Its value is "open" or "settled"; settled means closed, or not to be closed
    now because its database does not answer.
    """

    name: ClassVar[str] = "hand_over_sink"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return whether the fence still lets writers of the left release in."""
        sink, database = sink_of(args, self._database, self._connections)
        try:
            left = database.state(sink, epoch=args["closes"])
            new = database.state(sink, epoch=args["epoch"])
        except PlaneUnavailableError as error:
            _log.warning("%s is fenced later: %s", sink.ref, error)
            return "settled"
        # A sink registered after the left release began has no fence for it.
        closed = left in {None, EpochState.CLOSED}
        return "settled" if closed and new is EpochState.DIRECT else "open"

    def want(self, args: Json) -> JsonValue:
        """Return "settled"."""
        del args
        return "settled"

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Close the one epoch, then open the other."""
        sink, database = sink_of(args, self._database, self._connections)
        try:
            database.close(sink, epoch=args["closes"])
            database.open_direct(sink, epoch=args["epoch"])
        except (PlaneUnavailableError, SinkError) as error:
            _log.warning("%s is fenced later: %s", sink.ref, error)
            return f"later: {error}"
        return "fenced"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing: a fence is closed for good, and a rollback is never taken back."""
