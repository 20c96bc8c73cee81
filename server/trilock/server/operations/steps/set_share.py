"""The pivot of an advance: the canary's share, or all of it and it is live."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.operations.gates.not_held import forbid_held
from trilock.server.store.trials import set_share


class SetShare:
    """Implements LocalStep. Args: alias, bundle, canary, percent."""

    name: ClassVar[str] = "set_share"
    pivot: ClassVar[bool] = True

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Give the canary its share.

        Raises:
            StaleEtagError: It is not the canary any more.
            HeldError: A hold was recorded meanwhile.
        """
        live = set_share(
            session,
            alias=AliasRef.parse(args["alias"]),
            canary=ReleaseRef.parse(args["canary"]),
            percent=args["percent"],
            cause=operation.cause,
        )
        forbid_held(session, BundleRef.parse(args["bundle"]), alias=live.alias)
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""
