"""What a projection is: a plane that follows the live row after the pivot.

Level-triggered: it is not told what changed, only what should be, and is driven
to that until it is so, however often the live row changes meanwhile. It can run
again at any time, and after any crash.
"""

from typing import ClassVar, Protocol

from trilock.server.domain.release import LiveRow


class Projection(Protocol):
    """One plane that is made equal to the live row of an alias.

    All methods block, are idempotent, and raise when they cannot do it now; they
    are then called again later, until `observe` says what `wanted` says.
    """

    name: ClassVar[str]
    """`model_alias`, `feature_mirror`, `sinks`."""
    shared: ClassVar[bool]
    """Whether others can write to it: what is found there may be theirs (I8)."""
    absolute: ClassVar[bool]
    """Whether `observe` says the same of the same state, whatever is live. If it does
    not, what is found right after a switch cannot be told from somebody's edit."""
    holds_release: ClassVar[bool]
    """Whether a release is FINALIZED only once this plane agrees. Only one in which the
    release's own effects are; any other goes on converging, and holds up no promotion."""
    timeout: ClassVar[float]
    """Its own bound on each outside call, seconds. One that does not fit into a lease
    is kept by the lease's heartbeat, and must stand being run by two at once."""

    def wanted(self, live: LiveRow) -> str:
        """Return, as a short text, how the plane is when it agrees with *live*."""
        ...

    def observe(self, live: LiveRow) -> str:
        """Return how the plane is now; equal texts mean that it agrees."""
        ...

    def apply(self, live: LiveRow) -> None:
        """Make the plane agree with *live*."""
        ...
