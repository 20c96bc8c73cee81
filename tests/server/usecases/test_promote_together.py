"""Several models go live with one pivot, or none of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from tests.support.sharing_world import (
    ETA_ALIAS,
    READS_TEMP,
    Sharing,
    sharing_world,
    subjects,
)
from tests.support.together import NEW, OLD, die_at, live
from tests.support.values import ALIAS
from tests.support.world import ANN, WINDOW
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    BusyError,
    HeldError,
    IncompatibleError,
    InvalidRequestError,
    PreconditionError,
    StaleEtagError,
    StalePlanError,
)
from trilock.server.domain.operation import OperationKind, OperationState, StepState
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.operations.catalog import steps
from trilock.server.operations.pace import pace_of
from trilock.server.operations.runner import Runner
from trilock.server.store.events import read_changes
from trilock.server.store.holds import put_hold
from trilock.server.store.tables import LockRow
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.promote_together import plan_promote_together

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED
GATES = ["not_held", "no_foreign_edit", "bundle_fits"]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Sharing]:
    with sharing_world(tmp_path) as made:
        yield made


@pytest.fixture
def pair(w: Sharing) -> tuple[Bundle, Bundle]:
    """Bundles of both models that fit each other, and not what is live of the other one."""
    return w.record_of("delay", source="scaled"), w.record_of("eta", source="scaled")


def test_what_neither_can_do_alone_both_can_do_together(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    for bundle in pair:
        with pytest.raises(IncompatibleError):
            w.start(bundle)

    operation = w.settled(w.start_together(*pair))

    assert operation.state is SUCCEEDED
    assert live(w) == NEW
    assert [w.live_on(alias).state for alias in (ALIAS, ETA_ALIAS)] == [ReleaseState.SOAKING] * 2
    assert w.registry.alias(model="eta", alias="production") == "2"


def test_readers_see_both_switch_at_once(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    before = max(w.live_on(alias).revision for alias in (ALIAS, ETA_ALIAS))
    seen = []

    def look(site: str) -> None:
        if site in {"switch_live:run", "switch_live:done"}:
            seen.append(live(w))

    operation = w.start_together(*pair)
    Runner(w.database, w.runtime.journal, steps(w.database, w), at=look).drive(operation.id)

    assert seen == [OLD, NEW]
    with w.database.read() as session:
        changes = read_changes(session, after=before, limit=10).changes
    assert [change.revision - before for change in changes] == [1, 2]


def test_the_steps_of_all_come_before_the_gates_of_all_and_one_pivot(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    operation = w.settled(w.start_together(*pair))

    fill = ["deploy_features", "fill_features", "verify_features"]
    assert [step.step for step in operation.steps] == [*fill, *fill, *GATES, *GATES, "switch_live"]
    assert {step.state for step in operation.steps} == {StepState.DONE}


def test_each_alias_has_an_operation_a_release_and_a_target_of_its_own(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    w.settled(w.start_together(*pair))

    (joined, *_) = w.runtime.journal.list(alias=ETA_ALIAS, limit=1)
    assert (joined.state, joined.kind) == (SUCCEEDED, OperationKind.PROMOTE)
    row = w.live_on(ETA_ALIAS)
    assert (joined.release, joined.pivot_revision) == (row.release, row.revision)
    assert (str(row.target), row.cause.reason) == ("models/eta/releases/1", "both at once")
    with w.database.read() as session:
        assert session.exec(select(LockRow)).all() == []


@pytest.mark.parametrize(
    ("site", "nth"),
    [
        ("fill_features:applied", 1),
        ("fill_features:applied", 2),
        ("not_held:asked", 2),
        ("bundle_fits:asked", 2),
        ("switch_live:begun", 1),
        ("switch_live:run", 1),
    ],
)
def test_a_crash_before_the_pivot_leaves_none_live_and_the_next_life_makes_both(
    w: Sharing, pair: tuple[Bundle, Bundle], site: str, nth: int
) -> None:
    operation = w.start_together(*pair)
    die_at(w, operation, site, nth=nth)

    assert live(w) == OLD
    assert w.settled(operation).state is SUCCEEDED
    assert live(w) == NEW


def test_a_crash_right_after_the_pivot_leaves_both_live(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    operation = w.start_together(*pair)
    die_at(w, operation, "switch_live:done", nth=1)

    assert live(w) == NEW
    assert w.settled(operation).state is SUCCEEDED
    assert w.runtime.journal.list(alias=ETA_ALIAS, limit=1)[0].state is SUCCEEDED


def test_what_forbids_one_of_them_forbids_all(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    hold(w, pair[1])

    with pytest.raises(HeldError, match="models/eta/bundles/2 is on hold"):
        w.start_together(*pair)


def test_what_forbids_one_of_them_meanwhile_turns_all_back(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    operation = w.start_together(*pair)
    hold(w, pair[1])

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (COMPENSATED, "HOLD_ACTIVE")
    assert live(w) == OLD


def test_a_hold_recorded_after_the_gates_is_seen_by_the_pivot(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    operation = w.start_together(*pair)
    asked = []

    def late(site: str) -> None:
        asked.append(site)
        if site == "bundle_fits:asked" and asked.count(site) == len(pair):
            hold(w, pair[1])

    Runner(w.database, w.runtime.journal, steps(w.database, w), at=late).drive(operation.id)

    ended = w.settled(operation)
    assert ended.error_reason == "HOLD_ACTIVE"
    assert ended.error_message.startswith("switch_live: ")
    assert live(w) == OLD


def test_a_step_that_fails_for_one_turns_all_back(
    w: Sharing, pair: tuple[Bundle, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = w.start_together(*pair)
    fill = w.features.fill

    def failing(capture: object, **arguments: object) -> object:
        if str(arguments["project"]).startswith("eta"):
            raise PreconditionError("the source cannot be read")
        return fill(capture, **arguments)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(w.features, "fill", failing)

    ended = w.settled(operation)

    assert ended.state is COMPENSATED
    assert live(w) == OLD


def test_nothing_else_begins_on_any_of_them_meanwhile(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    w.reads = False
    other = w.record_of("eta", inputs=READS_TEMP.replace("true", "false"))
    w.start_together(*pair)

    with pytest.raises(BusyError, match="models/eta/aliases/production is locked"):
        w.start(other)


def test_each_alias_says_what_works_on_it(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    operation = w.start_together(*pair)

    for alias in (ALIAS, ETA_ALIAS):
        found = describe_alias(w.runtime, alias).operation
        assert found is not None
        assert found.id == operation.id
    w.settle()
    assert describe_alias(w.runtime, ETA_ALIAS).operation is None


def test_what_came_with_anothers_pivot_sets_no_pace(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    w.settled(w.start_together(*pair))

    with w.database.read() as session:
        paces = [
            pace_of(session, alias, kind=OperationKind.PROMOTE) for alias in (ALIAS, ETA_ALIAS)
        ]
    assert [pace and pace.runs for pace in paces] == [2, 1]


def test_the_plan_that_was_reviewed_is_the_one_that_runs(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    reviewed = plan_promote_together(w.runtime, subjects=subjects(*pair), window=WINDOW)
    other = plan_promote_together(w.runtime, subjects=subjects(*pair[::-1]), window=WINDOW)

    assert reviewed.refusal is None
    assert reviewed.plan.warnings[-1] == (
        "models/delay/aliases/production, models/eta/aliases/production go live together; "
        "each is finalized and rolled back by itself"
    )
    with pytest.raises(StalePlanError):
        w.start_together(*pair, plan_id=other.plan.id)
    w.start_together(*pair, plan_id=reviewed.plan.id)


def test_the_same_request_again_is_the_same_operation(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    first = w.start_together(*pair, request_id="r1")

    assert w.start_together(*pair, request_id="r1").id == first.id
    w.settle()
    assert w.start_together(*pair, request_id="r1").id == first.id


def test_an_alias_that_changed_since_the_caller_looked_is_refused(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    with pytest.raises(StaleEtagError):
        w.start_together(*pair, etag="1")


def test_an_alias_is_named_once(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    with pytest.raises(InvalidRequestError, match="models/delay/aliases/production is named twice"):
        w.start_together(pair[0], pair[0])


def hold(w: Sharing, bundle: Bundle) -> None:
    with w.database.write() as session:
        put_hold(session, bundle.ref, cause=Cause(principal=ANN, reason="it is bad"))
