"""What went live with one pivot goes back: one of them by itself, or all of them with one pivot."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.support.sharing_world import (
    ETA_ALIAS,
    READS_TEMP,
    Sharing,
    sharing_world,
)
from tests.support.together import NEW, OLD, die_at, live
from tests.support.values import ALIAS
from tests.support.world import ANN
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    NoSafeTargetError,
    WrongStateError,
)
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation, OperationKind, OperationState
from trilock.server.operations.catalog import steps
from trilock.server.operations.runner import Runner
from trilock.server.store.events import read_changes
from trilock.server.store.holds import get_hold
from trilock.server.store.tables import LockRow
from trilock.server.usecases.abort import Aborted, abort
from trilock.server.usecases.cancel_operation import cancel_operation
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.roll_back import plan_roll_back

SUCCEEDED, COMPENSATED = OperationState.SUCCEEDED, OperationState.COMPENSATED


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Sharing]:
    with sharing_world(tmp_path) as made:
        yield made


@pytest.fixture
def pair(w: Sharing) -> tuple[Bundle, Bundle]:
    """Bundles of both models that fit each other, and not what is live of the other one."""
    return w.record_of("delay", source="scaled"), w.record_of("eta", source="scaled")


def test_one_of_them_can_be_rolled_back_by_itself(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    w.settled(w.start_together(*pair))

    back = w.settled(w.go_back(ETA_ALIAS))

    assert back.state is SUCCEEDED
    assert live(w) == ["models/delay/bundles/2", "models/eta/bundles/1"]


@pytest.mark.parametrize("alias", [ALIAS, ETA_ALIAS])
def test_a_rollback_of_any_of_them_turns_the_promotion_of_all_back(
    w: Sharing, pair: tuple[Bundle, Bundle], alias: object
) -> None:
    w.reads = False
    for model in ("delay", "eta"):
        w.go(w.record_of(model, inputs=READS_TEMP.replace("true", "false")))
    operation = w.start_together(*pair)

    w.go_back(alias)  # type: ignore[arg-type]  # one of the two

    assert w.settled(operation).state is COMPENSATED


def give_up(w: Sharing, operation: Operation, **changes: Any) -> Aborted:
    arguments = {"reason": "bad", "request_id": "", "validate_only": False, **changes}
    return abort(w.runtime, operation.id, incident="", principal=ANN, **arguments)


def newest(w: Sharing, alias: AliasRef) -> Operation:
    (operation,) = w.runtime.journal.list(alias=alias, limit=1)
    return operation


@pytest.mark.parametrize("of", [ALIAS, ETA_ALIAS])
def test_an_abort_after_the_pivot_takes_back_all_of_them_with_one_pivot(
    w: Sharing, pair: tuple[Bundle, Bundle], of: AliasRef
) -> None:
    w.settled(w.start_together(*pair))
    promotion = newest(w, of)
    before = max(w.live_on(alias).revision for alias in (ALIAS, ETA_ALIAS))
    seen = []

    def look(site: str) -> None:
        if site in {"switch_live:run", "switch_live:done"}:
            seen.append(live(w))

    asked = give_up(w, promotion, validate_only=True)
    assert (asked.operation, asked.rolls_back, asked.aliases) == (None, True, (ALIAS, ETA_ALIAS))
    given_up = give_up(w, promotion, request_id="r1")
    assert given_up.operation is not None
    assert (given_up.rolls_back, given_up.aliases) == (True, (ALIAS, ETA_ALIAS))
    Runner(w.database, w.runtime.journal, steps(w.database, w), at=look).drive(
        given_up.operation.id
    )

    assert seen == [NEW, OLD]
    assert w.settled(given_up.operation).state is SUCCEEDED
    with w.database.read() as session:
        changes = read_changes(session, after=before, limit=10).changes
        holds = [get_hold(session, bundle.ref) for bundle in pair]
    both = [(change.revision - before, change.alias) for change in changes[:2]]
    assert both == [(1, ALIAS), (2, ETA_ALIAS)]
    assert [hold is not None for hold in holds] == [True, True]
    assert w.registry.alias(model="eta", alias="production") == "1"
    for alias in (ALIAS, ETA_ALIAS):
        row, back = w.live_on(alias), newest(w, alias)
        assert (back.kind, back.state) == (OperationKind.ROLL_BACK, SUCCEEDED)
        assert (back.release, back.pivot_revision) == (row.release, row.switched_revision)

    # Once more, by the same request or by somebody else, it is the same one.
    again, other = give_up(w, promotion, request_id="r1"), give_up(w, promotion)
    assert again.operation is not None
    assert other.operation is not None
    assert (again.operation.id, again.already_done) == (given_up.operation.id, False)
    assert (other.operation.id, other.already_done) == (given_up.operation.id, True)
    assert (again.aliases, other.aliases) == (given_up.aliases, ())


@pytest.mark.parametrize(
    ("site", "died_on"), [("switch_live:run", "NEW"), ("switch_live:done", "OLD")]
)
def test_a_crash_at_the_pivot_of_an_abort_leaves_all_or_none_and_the_next_life_ends_it(
    w: Sharing, pair: tuple[Bundle, Bundle], site: str, died_on: str
) -> None:
    back = give_up(w, w.settled(w.start_together(*pair))).operation
    assert back is not None
    die_at(w, back, site, nth=1)

    assert live(w) == {"NEW": NEW, "OLD": OLD}[died_on]
    assert w.settled(back).state is SUCCEEDED
    assert live(w) == OLD
    assert newest(w, ETA_ALIAS).state is SUCCEEDED


def test_an_abort_takes_back_what_is_left_to_take_back(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    promotion = w.settled(w.start_together(*pair))
    w.settled(w.go_back(ETA_ALIAS))

    given_up = give_up(w, promotion)

    assert given_up.operation is not None
    assert given_up.aliases == (ALIAS,)
    assert w.settled(given_up.operation).state is SUCCEEDED
    assert live(w) == OLD


def test_where_one_has_nothing_to_go_back_to_none_is_taken_back(tmp_path: Path) -> None:
    w = Sharing(tmp_path)
    with closing(w.database):
        w.reads = False
        w.go(w.record_of("delay"))
        both = w.record_of("delay", source="scaled"), w.record_of("eta", source="scaled")
        promotion = w.settled(w.start_together(*both))
        before = [w.live_on(alias) for alias in (ALIAS, ETA_ALIAS)]

        with pytest.raises(NoSafeTargetError, match="models/eta/aliases/production"):
            give_up(w, promotion)

        assert [w.live_on(alias) for alias in (ALIAS, ETA_ALIAS)] == before
        assert w.settled(w.go_back(ALIAS)).state is SUCCEEDED


def test_what_is_final_is_not_aborted_with_the_others(
    w: Sharing, pair: tuple[Bundle, Bundle]
) -> None:
    promotion = w.settled(w.start_together(*pair))
    w.end_soak(ETA_ALIAS)
    assert give_up(w, promotion).aliases == (ALIAS,)
    w.settle()
    assert live(w) == [OLD[0], NEW[1]]


def test_nothing_is_aborted_once_all_are_final(w: Sharing, pair: tuple[Bundle, Bundle]) -> None:
    promotion = w.settled(w.start_together(*pair))
    for alias in (ALIAS, ETA_ALIAS):
        w.end_soak(alias)
    before = [w.live_on(alias) for alias in (ALIAS, ETA_ALIAS)]

    with pytest.raises(WrongStateError, match="FINALIZED"):
        give_up(w, promotion)

    assert [w.live_on(alias) for alias in (ALIAS, ETA_ALIAS)] == before


@pytest.mark.parametrize("alias", [ALIAS, ETA_ALIAS])
def test_who_presses_for_one_of_them_meanwhile_finds_the_rollback_of_all(
    w: Sharing, pair: tuple[Bundle, Bundle], alias: AliasRef
) -> None:
    given_up = give_up(w, w.settled(w.start_together(*pair)))
    assert given_up.operation is not None

    assert w.go_back(alias).id == given_up.operation.id
    again = give_up(w, newest(w, ETA_ALIAS))
    assert again.operation is not None
    assert (again.operation.id, again.already_done) == (given_up.operation.id, True)

    assert w.settled(given_up.operation).state is SUCCEEDED
    assert live(w) == OLD


@pytest.mark.parametrize("by", ["abort", "cancel"])
def test_before_the_pivot_all_of_them_turn_back(
    w: Sharing, pair: tuple[Bundle, Bundle], by: str
) -> None:
    promotion = w.start_together(*pair)
    if by == "abort":
        assert give_up(w, promotion).aliases == (ALIAS, ETA_ALIAS)
    else:
        cancel_operation(w.runtime, promotion.id, reason="", principal=ANN)

    assert w.settled(promotion).state is COMPENSATED
    assert live(w) == OLD
    with w.database.read() as session:
        assert session.exec(select(LockRow)).all() == []
    for alias in (ALIAS, ETA_ALIAS):
        assert describe_alias(w.runtime, alias).operation is None


@pytest.mark.parametrize(
    ("alias", "other"), [("delay@production", ETA_ALIAS), ("eta@production", ALIAS)]
)
def test_the_rollback_of_one_says_what_stays_and_how_to_take_back_all(
    w: Sharing, pair: tuple[Bundle, Bundle], alias: str, other: AliasRef
) -> None:
    w.settled(w.start_together(*pair))
    one = ALIAS if other == ETA_ALIAS else ETA_ALIAS

    planned = plan_roll_back(w.runtime, alias=one, to_bundle=None)

    said = (
        f"went live together with it, and stay: {other}; `trilock abort {alias}` takes back all "
        "of them"
    )
    assert planned.plan.warnings[0] == said
    w.settled(w.go_back(other))
    warnings = plan_roll_back(w.runtime, alias=one, to_bundle=None).plan.warnings
    assert not any("together" in warning for warning in warnings)
