"""Fence the writers of the release that is left; let those of the new one in.

Done before the pivot when the sink's database answers, so that no row of the
bad release follows the switch. When anything is in its way it says so, and the
rollback goes on over it (`driver.py`): rows of a release that soaks are not in
the table anyway, and the `sinks` projection closes the fence as soon as it can
(DESIGN, I5).

What may be in the way is bounded for a rollback, however many sinks there are:
a database that did not answer is asked once, and what is not reached within
three seconds is left to the projection. Traffic waits for the pivot.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.operations.steps.sink_of import sink_of
from trilock.server.store.database import Database

BUDGET_SECONDS: Final = 3.0
"""How long the sinks of one rollback may keep its pivot waiting; the last one may exceed it."""

_REMEMBERED: Final = 100


class HandOverSink:
    """Implements Step. Args: sink, closes, epoch. Its value is "open" or "settled".

    With `waits_as` it is one of several rollbacks with one pivot, which wait as that epoch.
    """

    name: ClassVar[str] = "hand_over_sink"
    timeout: ClassVar[float] = 5.0

    def __init__(
        self,
        database: Database,
        connections: Connections,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._connections = connections
        self._patience = _Patience(clock)

    def look(self, args: Json) -> JsonValue:
        """Return whether the fence still lets writers of the left release in."""
        sink, database = sink_of(args, self._database, self._connections)
        with self._patience.of(args.get("waits_as", args["epoch"]), sink.connection, looking=True):
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
        with self._patience.of(args.get("waits_as", args["epoch"]), sink.connection):
            database.close(sink, epoch=args["closes"])
            database.open_direct(sink, epoch=args["epoch"])
        return "fenced"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing: a fence is closed for good, and a rollback is never taken back."""


class _Patience:
    """What one rollback, known by its new epoch, has spent on sinks, and on which in vain.

    Kept in memory: after a restart a rollback has its patience anew.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._spent: dict[int, float] = {}
        self._dead: dict[int, set[str]] = {}

    @contextmanager
    def of(self, epoch: int, connection: str, *, looking: bool = False) -> Iterator[None]:
        """Count the time that the block takes.

        Args:
            epoch: Of the rollback's new release.
            connection: What the block talks to.
            looking: Whether a block in vain means that the whole database does not answer,
                not only that one fence in it cannot be had.

        Raises:
            PlaneUnavailableError: The rollback has waited long enough, or *connection* did
                not answer it before.
        """
        with self._mutex:
            spent, is_dead = self._spent.get(epoch, 0.0), connection in self._dead.get(epoch, ())
        if is_dead:
            raise PlaneUnavailableError(
                plane=f"connection {connection!r}", what="it did not answer this rollback before"
            )
        if spent >= BUDGET_SECONDS:
            raise PlaneUnavailableError(
                plane=f"connection {connection!r}",
                what=f"not asked: this rollback has waited {spent:.1f} s for sinks already",
            )
        begun = self._clock()
        try:
            yield
        except PlaneUnavailableError:
            if looking:
                with self._mutex:
                    self._dead.setdefault(epoch, set()).add(connection)
            raise
        finally:
            with self._mutex:
                self._spent[epoch] = self._spent.get(epoch, 0.0) + self._clock() - begun
                for remembered in (self._spent, self._dead):
                    while len(remembered) > _REMEMBERED:
                        remembered.pop(next(iter(remembered)))
