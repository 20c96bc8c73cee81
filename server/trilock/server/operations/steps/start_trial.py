"""The pivot of a canary or a shadow: one transaction tells every reader of it."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.domain.release import ReservedRelease
from trilock.server.operations.gates.not_held import forbid_held
from trilock.server.store.trials import start_trial


class StartTrial:
    """Implements LocalStep. Args: alias, bundle, percent, expected, epoch."""

    name: ClassVar[str] = "start_trial"
    pivot: ClassVar[bool] = True

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Put the bundle on trial.

        Raises:
            StaleEtagError: Another release is live, or there is such a trial already.
            HeldError: A hold was recorded meanwhile.
        """
        if operation.release is None:
            raise ValueError(f"{operation.name} has no release reserved")
        bundle, alias = BundleRef.parse(args["bundle"]), AliasRef.parse(args["alias"])
        live = start_trial(
            session,
            alias=alias,
            release=ReservedRelease(ref=operation.release, epoch=args["epoch"]),
            bundle=bundle,
            percent=args["percent"],
            cause=operation.cause,
            expected=ReleaseRef.parse(args["expected"]),
        )
        # Asked once the revision is allotted, as in `switch_live`.
        forbid_held(session, bundle, alias=alias)
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""
