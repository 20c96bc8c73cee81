"""A rollback that is not yet: everything that a person wants to know before saying yes."""

from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import OperationKind
from trilock.server.domain.release import Release, ReleaseState
from trilock.server.operations.pace import Pace, pace_of
from trilock.server.planning.outlook import Change, changes, not_undone
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import list_releases
from trilock.server.store.sinks import ReleaseSink, list_release_sinks, list_sinks
from trilock.server.usecases.look_at_sinks import look_at_sinks
from trilock.server.usecases.middle_states import Middle, middle_of_rollback
from trilock.server.usecases.roll_back import PlannedRollback, plan_roll_back
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings

_HISTORY: Final = 100
"""How many releases back are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedRollback:
    """A planned rollback, and what it means."""

    planned: PlannedRollback
    serves: BundleRef | None
    """What readers are served until it switches; None if nothing switches for them."""
    changes: tuple[Change, ...]
    sinks: tuple[ReleaseSink, ...]
    """What the release that is left has in each of its sinks, counted now if they answer."""
    not_undone: tuple[str, ...]
    pace: Pace | None
    middle: Middle | None
    """What readers are served, in place, until the features have followed. A rollback does not
    wait for anybody to accept it."""


def describe_rollback(
    runtime: Runtime,
    *,
    alias: AliasRef,
    to_bundle: BundleRef | None,
    leaves: ReleaseRef | None = None,
    alone: bool = True,
) -> DescribedRollback:
    """Return what rolling back would do now, and what that means, for others if it is *alone*.

    Raises:
        NotFoundError: Nothing was ever released there.
        NoSafeTargetError: There is nothing to go back to.
    """
    planned = plan_roll_back(runtime, alias=alias, to_bundle=to_bundle, leaves=leaves, alone=alone)
    with runtime.database.read() as session:
        before = get_bundle(session, planned.leaves.bundle)
        after = get_bundle(session, planned.target.bundle)
        around = surroundings(runtime, session, alias)
    between = middle_of_rollback(runtime, around, after=after)
    # A shadow served nobody.
    is_shadow = planned.leaves.state is ReleaseState.SHADOW
    with runtime.database.read() as session:
        registered = list_sinks(session, model=alias.model)
        noted = list_release_sinks(session, planned.leaves.ref)
    sinks = look_at_sinks(runtime, planned.leaves, sinks=registered, noted=noted)
    with runtime.database.read() as session:
        return DescribedRollback(
            planned=planned,
            serves=None if is_shadow else planned.leaves.bundle,
            middle=between,
            changes=() if is_shadow else changes(before, after),
            sinks=sinks,
            not_undone=not_undone(
                planned.leaves,
                sinks=registered,
                between=_between(session, planned),
                wrote_to_tables=any(sink.is_ahead for sink in sinks),
            ),
            pace=pace_of(session, alias, kind=OperationKind.ROLL_BACK),
        )


def _between(session: Session, planned: PlannedRollback) -> tuple[Release, ...]:
    """Return the releases whose rows a longer way back passes over, oldest first."""
    restored = planned.target.release
    if restored is None:
        return ()
    found = list_releases(session, alias=planned.leaves.alias, offset=0, limit=_HISTORY)
    return tuple(
        release
        for release in reversed(found)
        if restored.ref.number < release.ref.number < planned.leaves.ref.number
        and release.state is ReleaseState.SUPERSEDED
    )
