"""What plans are made of: steps, local steps, and gates.

A step is in the register style, so that a crash anywhere can be looked at.

A step before the pivot makes one thing equal to a value. The runner drives it:

    look      what is there now; kept as `before` from the first look only
              (intent is journaled: STARTED)
    apply     only if what is there is not what is wanted
    look      what was applied is there (outcome is journaled: DONE)

and, when the operation turns back, `look` and `undo`. A crash can fall between
any two lines, so every method but `look` may run again after it ran, whole or
in part, and settling a step that is in doubt means looking. On a retry a value
that is neither `before` nor wanted is somebody else's: FOREIGN_EDIT (I8).

A local step changes trilock's own database, in one transaction with its row in
the journal: it happens exactly once. The pivot is one, the last of its plan.

A gate changes nothing, so it is no step: an answer of yesterday is worth nothing.
All gates of a plan are asked in the very turn of its pivot, in every life anew,
and their rows are written with the pivot's own, in its transaction.

What a re-run needs is in the arguments, JSON types only. No decision that a
re-run could take differently; not more than one outside system in a step.
"""

from collections.abc import Callable
from typing import ClassVar, Final, Protocol, runtime_checkable

from sqlmodel import Session

from trilock.server.domain.errors import (
    BusyError,
    PlaneUnavailableError,
    TrilockError,
    UnavailableError,
)
from trilock.server.domain.operation import Json, JsonValue, Operation

Checkpoint = Callable[[str], None]
"""Named crash site. Does nothing in production; tests raise from it."""

Tell = Callable[[str], None]
"""Takes one line for people."""

TRANSIENT: Final = (BusyError, PlaneUnavailableError, UnavailableError)
"""What may be gone when asked again. Every other TrilockError is an answer."""


class Step(Protocol):
    """Makes one thing outside equal to a value.

    All methods block, and raise a TrilockError: a transient one is tried again
    later, any other turns the operation back. Anything else is a defect.
    """

    name: ClassVar[str]
    """`verb_object`."""
    timeout: ClassVar[float]
    """Its own bound on each outside call, seconds. One that does not fit into a lease
    is kept by the lease's heartbeat, and must stand being run by two at once."""

    def look(self, args: Json) -> JsonValue:
        """Return what is there now. Reads only."""
        ...

    def want(self, args: Json) -> JsonValue:
        """Return what `look` says once the step is done."""
        ...

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Make it so, if it still is as *before* says. Idempotent.

        Returns:
            What to tell people.
        """
        ...

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Put back what *before* says was there. Idempotent.

        Called when `look` says anything but *before*, so also after an `apply` or an
        `undo` that was cut short. Leaves alone what somebody else changed since.
        """
        ...


@runtime_checkable
class LongStep(Protocol):
    """A Step that works for long: it tells how far it is, and can be stopped by that."""

    def apply_telling(self, args: Json, *, before: JsonValue, tell: Tell) -> JsonValue:
        """Do what `apply` does. *tell* raises when the operation is to turn back."""
        ...


@runtime_checkable
class LocalStep(Protocol):
    """Changes trilock's own database, in the transaction of its row in the journal."""

    name: ClassVar[str]
    """`verb_object`."""
    pivot: ClassVar[bool]
    """Whether it changes the live row. Then its result names the `revision` it allotted."""

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Make the change; return what `undo` needs.

        Raises:
            TrilockError: Nothing was changed, and the operation turns back.
        """
        ...

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Take the change back. Never called on a pivot."""
        ...


@runtime_checkable
class Gate(Protocol):
    """Says whether the pivot may pass, right before it does (I2)."""

    name: ClassVar[str]
    """What holds when it is content: `bundle_fits`."""
    timeout: ClassVar[float]
    """Its own bound on each outside call, seconds."""

    def require(self, args: Json) -> None:
        """Do nothing if the pivot may pass. Reads only; blocks.

        Raises:
            TrilockError: It may not: a transient one is asked again later, any other
                turns the operation back.
        """
        ...


Part = Step | LocalStep | Gate
"""Whatever a plan can name."""


def describe(error: Exception) -> tuple[str, str]:
    """Return reason and message of *error*, for the journal and for people."""
    if isinstance(error, TrilockError):
        return error.reason, str(error)
    # A defect: the log has the traceback, people are told its first line.
    return "INTERNAL", f"{type(error).__name__}: {error}".splitlines()[0][:500]
