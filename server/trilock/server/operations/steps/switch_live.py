"""The pivot: one transaction on one row switches every reader."""

from typing import ClassVar, Final

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Json, JsonValue, Operation, Plan, PlannedStep
from trilock.server.domain.release import Cause, LiveRow, ReleaseKind, ReservedRelease
from trilock.server.operations.gates.not_held import forbid_held
from trilock.server.operations.joined import follow
from trilock.server.store.holds import put_hold
from trilock.server.store.releases import get_release, go_live, lock_live


class SwitchLive:
    """Implements LocalStep.

    Args: alias, bundle, kind, expected, target, restores, epoch, feature_project (in place only).

    With `together`, a list of the same with `release`, `converges`, `plan` and `title`,
    other aliases are switched in the same transaction: promotions all of them, or rollbacks.
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
        others = args.get("together", [])
        if others:
            # All rows before the first revision: the order in which everybody takes them.
            lock_live(session, [AliasRef.parse(one["alias"]) for one in (args, *others)])
        live = _go_live(session, operation, args, release=operation.release)
        for other in others:
            release = ReleaseRef.parse(other["release"])
            joined = _go_live(session, operation, other, release=release)
            if kind is ReleaseKind.PROMOTION:
                forbid_held(session, joined.bundle, alias=joined.alias)
            else:
                _hold(session, operation, _ref(other["expected"]), serves=joined)
            follow(session, _joined_plan(operation, other, joined), of=operation, live=joined)
        if kind is ReleaseKind.PROMOTION:
            # Asked once the revision is allotted: pivots queue there, so a hold that
            # another alias's rollback records is seen, however close the race.
            forbid_held(session, live.bundle, alias=live.alias)
        else:
            _hold(session, operation, _ref(args["expected"]), serves=live)
        return {"revision": live.revision}

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Do nothing: after the pivot nothing is taken back."""


def _go_live(session: Session, operation: Operation, args: Json, *, release: ReleaseRef) -> LiveRow:
    return go_live(
        session,
        alias=AliasRef.parse(args["alias"]),
        release=ReservedRelease(ref=release, epoch=args["epoch"]),
        bundle=BundleRef.parse(args["bundle"]),
        kind=ReleaseKind(args["kind"]),
        target=_ref(args["target"]),
        restores=_ref(args["restores"]),
        cause=operation.cause,
        expected=_ref(args["expected"]),
        feature_project=args.get("feature_project", ""),
    )


def _hold(
    session: Session, operation: Operation, left: ReleaseRef | None, *, serves: LiveRow
) -> None:
    """Put the bundle of the release that a rollback left on hold."""
    if left is None:
        return
    bad = get_release(session, left).bundle
    # Going back twice can return to the very bundle that was left: no hold then.
    if bad != serves.bundle:
        cause = operation.cause
        why = cause.reason or "no reason given"
        put_hold(
            session,
            bad,
            cause=Cause(principal=cause.principal, reason=f"rolled back from {left}: {why}"),
        )


def _joined_plan(operation: Operation, args: Json, live: LiveRow) -> Plan:
    """Return the plan of what is left to do for another alias: to follow."""
    own = {key: value for key, value in args.items() if key not in _OF_TOGETHER}
    return Plan(
        id=args["plan"],
        kind=operation.kind,
        alias=live.alias,
        etag=operation.plan.etag,
        steps=(PlannedStep(step=SwitchLive.name, args=own, title=args["title"]),),
        converges=tuple(args["converges"]),
    )


_OF_TOGETHER: Final = frozenset({"release", "converges", "plan", "title"})


def _ref(name: str | None) -> ReleaseRef | None:
    return None if name is None else ReleaseRef.parse(name)
