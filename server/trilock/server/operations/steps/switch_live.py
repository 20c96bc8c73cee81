"""The pivot: one transaction on one row switches every reader."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.domain.release import Cause, ReleaseKind, ReservedRelease
from trilock.server.operations.gates.not_held import forbid_held
from trilock.server.store.holds import put_hold
from trilock.server.store.releases import get_release, go_live


class SwitchLive:
    """Implements LocalStep.

    Args: alias, bundle, kind, expected, target, restores, epoch, feature_project (in place only).
    """

    name: ClassVar[str] = "switch_live"
    pivot: ClassVar[bool] = True

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Go live; after a rollback, put the bundle that was left on hold.

        Raises:
            StaleEtagError: Another release is live.
            HeldError: It is a promotion, and a hold was recorded meanwhile.
        """
        if operation.release is None:
            raise ValueError(f"{operation.name} has no release reserved")
        kind = ReleaseKind(args["kind"])
        left = _ref(args["expected"])
        live = go_live(
            session,
            alias=AliasRef.parse(args["alias"]),
            release=ReservedRelease(ref=operation.release, epoch=args["epoch"]),
            bundle=BundleRef.parse(args["bundle"]),
            kind=kind,
            target=_ref(args["target"]),
            restores=_ref(args["restores"]),
            cause=operation.cause,
            expected=left,
            feature_project=args.get("feature_project", ""),
        )
        if kind is ReleaseKind.PROMOTION:
            # Asked once the revision is allotted: pivots queue there, so a hold that
            # another alias's rollback records is seen, however close the race.
            forbid_held(session, live.bundle, alias=live.alias)
        if kind is ReleaseKind.ROLLBACK and left is not None:
            bad = get_release(session, left).bundle
            # Going back twice can return to the very bundle that was left: no hold then.
            if bad != live.bundle:
                why = operation.cause.reason or "no reason given"
                put_hold(
                    session,
                    bad,
                    cause=Cause(
                        principal=operation.cause.principal,
                        reason=f"rolled back from {left}: {why}",
                    ),
                )
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""


def _ref(name: str | None) -> ReleaseRef | None:
    return None if name is None else ReleaseRef.parse(name)
