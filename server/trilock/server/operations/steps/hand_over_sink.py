"""Fence the writers of the release that is left; let those of the new one in.

Done before the pivot when the sink's database answers, so that no row of the
bad release follows the switch. When anything is in its way it says so, and the
rollback goes on over it (`driver.py`): rows of a release that soaks are not in
the table anyway, and the `sinks` projection closes the fence as soon as it can
(DESIGN, I5).
"""

from typing import ClassVar

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.operations.steps.sink_of import sink_of
from trilock.server.store.database import Database


class HandOverSink:
    """Implements Step. Args: sink, closes, epoch. Its value is "open" or "settled"."""

    name: ClassVar[str] = "hand_over_sink"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return whether the fence still lets writers of the left release in."""
        sink, database = sink_of(args, self._database, self._connections)
        left = database.state(sink, epoch=args["closes"])
        new = database.state(sink, epoch=args["epoch"])
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
        database.close(sink, epoch=args["closes"])
        database.open_direct(sink, epoch=args["epoch"])
        return "fenced"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing: a fence is closed for good, and a rollback is never taken back."""
