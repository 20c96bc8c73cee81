"""Take back with one pivot what one pivot made live.

The rollbacks of all its aliases are one operation: the fences of all, then one transaction
that switches every reader of each back, so that nobody reads one of them beside what the
other was made to fit. After it each alias has an operation of its own that converges. It is
as hard to stop as a rollback of one: its aliases are taken from whatever works on them, and
whoever presses for one of them meanwhile finds it.
"""

from collections.abc import Sequence

from sqlmodel import Session

from trilock.server.checks.sharing import mirror_scope
from trilock.server.domain.errors import StaleEtagError
from trilock.server.domain.operation import Operation
from trilock.server.domain.release import Cause
from trilock.server.operations.history import find_rollback, lock_rollbacks
from trilock.server.operations.joined import Switched
from trilock.server.operations.steps.deploy_features import forbid_retiring
from trilock.server.planning.together import plan_together
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import require_live, reserve_releases
from trilock.server.usecases.roll_back import PlannedRollback, plan_roll_back
from trilock.server.usecases.runtime import Runtime


def plan_roll_back_together(
    runtime: Runtime, leave: Sequence[Switched]
) -> tuple[PlannedRollback, ...]:
    """Return what rolling back each of *leave* would do, in their order.

    Raises:
        NoSafeTargetError: For one of them there is nothing to go back to.
    """
    return tuple(
        plan_roll_back(
            runtime, alias=one.alias, to_bundle=None, leaves=one.release, alone=len(leave) == 1
        )
        for one in leave
    )


def roll_back_together(
    runtime: Runtime,
    leave: Sequence[Switched],
    *,
    cause: Cause,
    request_id: str,
    content: str,
) -> Operation:
    """Start the operation that leaves every release of *leave*; it is the first one's.

    Args:
        runtime: What to work on.
        leave: What is live, one or several.
        cause: Who and why.
        request_id: Makes a repeat harmless.
        content: Digest of what the request asks for.

    Raises:
        NoSafeTargetError: For one of them there is nothing to go back to.
        StaleEtagError: One of them is not live any more, or is about to be left.
    """
    parts = plan_roll_back_together(runtime, leave)
    with runtime.database.write() as session:
        journal = runtime.journal
        known = journal.claim(session, request_id=request_id, request_hash=content)
        if known is not None:
            return known
        for one in sorted(leave, key=lambda one: str(one.alias)):
            lock_rollbacks(session, one.alias)
            _require_live(session, one)
        for part in parts:
            _forbid_retiring(session, part)
        releases = reserve_releases(session, [one.alias.model for one in leave])
        plan = plan_together(
            [
                part.plan.with_epoch(release.epoch)
                for part, release in zip(parts, releases, strict=True)
            ],
            releases=[release.ref for release in releases],
        )
        return journal.submit(
            session,
            plan,
            request_id=request_id,
            request_hash=content,
            cause=cause,
            release=releases[0].ref,
            scopes=tuple(
                scope for one in leave for scope in (str(one.alias), mirror_scope(one.alias))
            ),
            preempts=True,
        )


def _require_live(session: Session, leaves: Switched) -> None:
    live = require_live(session, leaves.alias)
    done = find_rollback(session, leaves.alias, leaves=leaves.release)
    if live.release != leaves.release or done is not None:
        found = live.release if done is None else done.name
        raise StaleEtagError(
            resource=str(leaves.alias), expected=str(leaves.release), found=str(found)
        )


def _forbid_retiring(session: Session, part: PlannedRollback) -> None:
    live, older = require_live(session, part.leaves.alias), part.target.release
    if older is not None and older.ref != live.target:
        forbid_retiring(session, get_bundle(session, older.bundle).feature_schema)
