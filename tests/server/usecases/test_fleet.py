"""The fleet: who serves what, whom an operation waits for, and who can stop it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.values import ALIAS
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import AlreadyExistsError, FleetRefusedError
from trilock.server.domain.fleet import (
    Acknowledgement,
    Fleet,
    FleetPolicy,
    ServingReport,
    WaitFor,
    WatcherState,
)
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.planning.trial import Trial
from trilock.server.store.counters import generation
from trilock.server.store.fleet import Recorded, drop_expired
from trilock.server.store.releases import get_release
from trilock.server.store.tables import WatcherRow
from trilock.server.usecases.advance import advance
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_fleet import describe_fleet, describe_who_served
from trilock.server.usecases.report_serving import report_serving


@pytest.fixture
def released(tmp_path: Path) -> Iterator[World]:
    """Yield a world with a final release, and no watchers."""
    with world(tmp_path) as made:
        made.release(made.record())
        yield made


def report(
    world: World,
    watcher: str,
    revision: int | None = None,
    *,
    refusal: str = "",
    warm: bool = False,
    leaves: bool = False,
    principal: str = "api",
    alias: AliasRef = ALIAS,
) -> Any:
    """Report that *watcher* serves *revision*, by default the present one."""
    with world.database.read() as session:
        present = generation(session)
    given = Acknowledgement(
        alias=alias,
        generation=present,
        revision=world.live().revision if revision is None else revision,
        standby_warm=warm,
        refusal=refusal,
    )
    (outcome,) = report_serving(
        world.runtime,
        [
            ServingReport(
                watcher=watcher,
                principal=principal,
                acknowledgements=() if leaves else (given,),
                leaves=leaves,
            )
        ],
    )
    return outcome


def fleet(world: World) -> Fleet:
    return describe_fleet(world.runtime, ALIAS)


def states(world: World) -> dict[str, str]:
    found = fleet(world)
    return {watcher.name: watcher.state(found.revision).value for watcher in found.watchers}


def state_of(world: World, operation: Operation) -> OperationState:
    return world.runtime.journal.get(operation.id).state


def expire(world: World, watcher: str) -> None:
    with world.database.write() as session:
        row = session.get(WatcherRow, watcher)
        assert row is not None
        row.expires_ms = 1
        session.add(row)


def test_who_serves_what(released: World) -> None:
    first = released.live().revision
    report(released, "a", warm=True)
    report(released, "b")
    released.promote(released.record(variant="kelvin"))
    released.pivot()
    report(released, "b", refusal="it does not load")

    found = fleet(released)

    assert states(released) == {"a": "BEHIND", "b": "REFUSED"}
    assert found.revision == released.live().revision > first
    assert (found.warm, found.stragglers, found.refusal) == (1, ("b", "a"), "it does not load")
    assert str(found) == (
        f"0 of 2 on revision {found.revision}; not b, a; refused by 1: it does not load"
    )

    report(released, "a", warm=True)
    report(released, "b")
    assert states(released) == {"a": "SERVING", "b": "SERVING"}
    assert fleet(released).refusal == ""


def test_a_promotion_waits_for_everybody_and_names_who_is_missing(released: World) -> None:
    report(released, "a")
    report(released, "b")
    operation = released.promote(released.record(variant="kelvin"))
    released.settle()

    assert state_of(released, operation) is OperationState.CONVERGING
    (waiting,) = [
        plane for plane in describe_alias(released.runtime, ALIAS).planes if plane.plane == "fleet"
    ]
    pivot = released.live().revision
    assert waiting.error == (f"waiting for watchers: 0 of 2 on revision {pivot}; not a, b")

    report(released, "a")
    released.settle()
    assert state_of(released, operation) is OperationState.CONVERGING
    report(released, "b")
    released.settle()
    assert state_of(released, operation) is OperationState.SUCCEEDED


def test_whose_report_is_too_old_is_not_waited_for(released: World) -> None:
    report(released, "a")
    report(released, "gone")
    expire(released, "gone")
    operation = released.promote(released.record(variant="kelvin"))
    released.settle()
    report(released, "a")
    released.settle()

    assert state_of(released, operation) is OperationState.SUCCEEDED
    assert states(released) == {"a": "SERVING"}


def test_a_watcher_that_leaves_is_not_waited_for(released: World) -> None:
    report(released, "a")
    operation = released.promote(released.record(variant="kelvin"))
    report(released, "a", leaves=True)
    released.settle()

    assert state_of(released, operation) is OperationState.SUCCEEDED
    assert fleet(released).watchers == ()


@pytest.mark.parametrize(
    ("wait_for", "deadline", "answers", "state"),
    [
        (WaitFor.QUORUM, 30, 1, OperationState.CONVERGING),
        (WaitFor.QUORUM, 30, 2, OperationState.SUCCEEDED),
        (WaitFor.ALL, 30, 2, OperationState.CONVERGING),
        (WaitFor.NONE, 30, 0, OperationState.SUCCEEDED),
        (WaitFor.ALL, 0, 0, OperationState.SUCCEEDED),
    ],
)
def test_whom_an_operation_waits_for(
    released: World, wait_for: WaitFor, deadline: float, answers: int, state: OperationState
) -> None:
    released.wait_for_fleet(
        FleetPolicy(wait_for=wait_for, deadline_seconds=deadline, patience_seconds=0)
    )
    for name in ("a", "b", "c"):
        report(released, name)
    operation = released.promote(released.record(variant="kelvin"))
    released.pivot()
    for name in ("a", "b", "c")[:answers]:
        report(released, name)
    released.settle()

    assert state_of(released, operation) is state


def test_refusal_by_more_than_half_stops_it_before_finalize(released: World) -> None:
    for name in ("a", "b", "c"):
        report(released, name)
    released.promote(released.record(variant="kelvin"))
    released.settle()
    report(released, "a")
    for name in ("b", "c"):
        report(released, name, refusal="features do not match")

    with pytest.raises(FleetRefusedError) as refused:
        released.finalize()

    assert refused.value.reason == "FLEET_REFUSED"
    assert "2 of 3 watchers refused what is live" in str(refused.value)
    assert "features do not match" in str(refused.value)
    assert released.live().state is ReleaseState.SOAKING

    report(released, "c")
    released.settle()
    released.finalize()
    released.settle()
    assert released.live().state is ReleaseState.FINALIZED


def share(world: World, percent: int) -> Operation:
    operation = advance(
        world.runtime,
        alias=ALIAS,
        percent=percent,
        reason="",
        etag="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )
    assert operation is not None
    return world.settled(operation)


def test_a_canary_that_more_than_half_refused_gets_no_more_requests(released: World) -> None:
    released.promote(released.record(variant="kelvin"), trial=Trial(percent=5))
    released.settle()
    report(released, "a")
    for name in ("b", "c"):
        report(released, name, refusal="its canary: features do not match")
    before = released.live()

    for more in (25, 100):
        with pytest.raises(FleetRefusedError, match=r"2 of 3 watchers refused .*, the canary on"):
            share(released, more)
    assert released.live() == before

    # Fewer it may get at any time, and the "no" stands for all that.
    share(released, 1)
    assert released.live().canary_percent == 1
    with pytest.raises(FleetRefusedError):
        share(released, 2)

    for name in ("b", "c"):
        report(released, name)
    share(released, 25)
    assert released.live().canary_percent == 25


def test_a_canary_that_is_refused_while_it_is_given_more_gets_no_more(released: World) -> None:
    released.promote(released.record(variant="kelvin"), trial=Trial(percent=5))
    released.settle()
    operation = advance(
        released.runtime,
        alias=ALIAS,
        percent=25,
        reason="",
        etag="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )
    assert operation is not None
    report(released, "a", refusal="its canary: features do not match")

    ended = released.settled(operation)

    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "FLEET_REFUSED")
    assert released.live().canary_percent == 5


def test_the_end_of_a_shadow_takes_no_refusal_back(released: World) -> None:
    report(released, "a")
    released.promote(released.record(variant="rankine"), trial=Trial(percent=0))
    released.settle()
    released.promote(released.record(variant="kelvin"))
    released.settle()
    report(released, "a", refusal="out of memory")

    released.roll_back(leaves=released.live().shadow)
    released.settle()

    assert released.live().shadow is None
    with pytest.raises(FleetRefusedError):
        released.finalize()
    report(released, "a")  # it has changed its mind
    released.finalize()


def test_a_refusal_that_comes_after_finalize_was_asked_for_turns_it_back(released: World) -> None:
    report(released, "a")
    released.promote(released.record(variant="kelvin"))
    released.pivot()
    report(released, "a")
    released.settle()
    operation = released.finalize()
    report(released, "a", refusal="out of memory")
    ended = released.settled(operation)

    # An acknowledgement of the same revision was given before: the newest word counts.
    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "FLEET_REFUSED")
    assert released.live().state is ReleaseState.SOAKING


def test_a_rollback_is_timed_to_the_last_acknowledgement(released: World) -> None:
    report(released, "a")
    report(released, "b")
    released.promote(released.record(variant="kelvin"))
    released.pivot()
    report(released, "a")
    report(released, "b")
    released.settle()
    released.roll_back()
    released.pivot()
    report(released, "late")  # joined after the switch: nobody waited for it
    report(released, "a")

    with released.database.read() as session:
        one = get_release(session, released.live().release)
    report(released, "b")
    report(released, "b")
    with released.database.read() as session:
        both = get_release(session, released.live().release)

    assert (one.acknowledged, both.acknowledged) == (1, 2)
    assert one.acknowledged_ms is not None
    assert both.acknowledged_ms is not None
    assert 0 <= one.acknowledged_ms <= both.acknowledged_ms


def test_who_served_a_revision_is_known_when_they_are_gone(released: World) -> None:
    revision = released.live().revision
    report(released, "a")
    report(released, "b", refusal="it does not load")
    report(released, "a", leaves=True)
    report(released, "b", leaves=True)

    found = describe_who_served(released.runtime, revision=revision, offset=0, limit=10)

    assert [(one.watcher, one.principal, one.refusal, str(bundle)) for one, bundle in found] == [
        ("a", "api", "", "models/delay/bundles/1"),
        ("b", "api", "it does not load", "models/delay/bundles/1"),
    ]
    assert describe_who_served(released.runtime, revision=999, offset=0, limit=10) == []
    with released.database.write() as session:
        drop_expired(session, keep_ms=-60_000)
    assert describe_who_served(released.runtime, revision=revision, offset=0, limit=10) == []


def test_a_name_belongs_to_one_principal_while_it_is_counted(released: World) -> None:
    report(released, "a")

    taken = report(released, "a", principal="mallory", refusal="no")

    assert isinstance(taken, AlreadyExistsError)
    assert states(released) == {"a": "SERVING"}
    expire(released, "a")
    assert isinstance(report(released, "a", principal="bob"), Recorded)


def test_an_alias_that_was_never_released_is_told_and_not_written(released: World) -> None:
    other = AliasRef.parse("models/delay/aliases/nowhere")

    outcome = report(released, "a", revision=1, alias=other)

    assert outcome.unknown == (other,)
    assert fleet(released).watchers == ()


def test_a_revision_that_is_still_to_come_is_no_answer(released: World) -> None:
    report(released, "a", revision=released.live().revision + 1)

    assert states(released) == {"a": "BEHIND"}


def test_a_watcher_that_was_away_is_asked_for_everything(released: World) -> None:
    assert report(released, "a").resend
    assert not report(released, "a").resend
    expire(released, "a")
    assert report(released, "a").resend


def test_reports_and_acknowledgements_take_no_revision(released: World) -> None:
    before = released.live().revision
    report(released, "a")
    report(released, "a", warm=True)
    report(released, "a", leaves=True)

    released.promote(released.record(variant="kelvin"))
    released.pivot()
    # Recording a bundle takes none either.
    assert released.live().revision == before + 1


def test_the_newest_word_of_a_watcher_counts(released: World) -> None:
    report(released, "a")
    report(released, "a", refusal="it fell over")
    assert states(released) == {"a": WatcherState.REFUSED.value}
    report(released, "a")
    assert states(released) == {"a": WatcherState.SERVING.value}
