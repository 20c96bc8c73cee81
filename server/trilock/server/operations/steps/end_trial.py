"""The pivot that takes a canary or a shadow back: all requests are the live release's."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.store.holds import put_hold
from trilock.server.store.releases import get_release
from trilock.server.store.trials import end_trial


class EndTrial:
    """Implements LocalStep. Args: alias, expected (on trial), canary, bundle (live)."""

    name: ClassVar[str] = "end_trial"
    pivot: ClassVar[bool] = True

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Take it back; put the bundle of a canary on hold: requests were served with it.

        Raises:
            StaleEtagError: It is not on trial any more.
        """
        ref = ReleaseRef.parse(args["expected"])
        trial = get_release(session, ref)
        live = end_trial(
            session, alias=AliasRef.parse(args["alias"]), trial=ref, cause=operation.cause
        )
        if trial.state is ReleaseState.CANARY and trial.bundle != live.bundle:
            why = operation.cause.reason or "no reason given"
            put_hold(
                session,
                trial.bundle,
                cause=Cause(
                    principal=operation.cause.principal,
                    reason=f"rolled back from {ref}, a canary: {why}",
                ),
            )
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""
