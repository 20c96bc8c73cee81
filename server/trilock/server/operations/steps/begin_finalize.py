"""End the soak: from here on the staged rows move into their tables."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.domain.release import ReleaseState
from trilock.server.store.pauses import forbid_paused
from trilock.server.store.releases import set_live_state


class BeginFinalize:
    """Implements LocalStep. Args: alias, release. It is finalize's pivot.

    The moving itself is the `sinks` projection's: it only goes forward, can be
    resumed by any replica, and stops when a rollback changes the live row.
    """

    name: ClassVar[str] = "begin_finalize"
    pivot: ClassVar[bool] = True

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Bring the live release from SOAKING to FINALIZING.

        Raises:
            StaleEtagError: Another release is live.
            WrongStateError: It does not soak any more, or was paused meanwhile.
        """
        alias = AliasRef.parse(args["alias"])
        forbid_paused(session, alias)
        live = set_live_state(
            session,
            alias,
            release=ReleaseRef.parse(args["release"]),
            state=ReleaseState.FINALIZING,
            cause=operation.cause,
        )
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""
