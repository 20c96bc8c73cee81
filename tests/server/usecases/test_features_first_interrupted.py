"""Features lead, and somebody, something or a death comes between: readers get nothing half."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.crash import NEVER, Bomb, Crash
from tests.support.leading_world import NEW, OLD, Led
from tests.support.values import ALIAS, NOON
from tests.support.world import ANN, WIDER_INPUTS, World, world
from trilock.server.domain.operation import Operation, OperationState
from trilock.server.domain.ports import Window
from trilock.server.features.filling import filling
from trilock.server.planning.middle import Way
from trilock.server.store.plane_states import plane_scope
from trilock.server.usecases.abort import abort
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.workers.lease import Leases, free_all


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Led]:
    """Bundle 1, which reads `temp`, is final."""
    with world(tmp_path, kind=Led) as made:
        assert isinstance(made, Led)
        made.release(made.record())
        made.seen.clear()
        yield made


def test_an_abort_between_swap_and_switch_brings_the_features_back(w: Led) -> None:
    operation = w.lead(w.wider())
    w.sites["switch_live:next"] = lambda: abort(
        w.runtime,
        operation.id,
        reason="",
        incident="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )

    ended = w.settled(operation)

    assert ended.state is OperationState.COMPENSATED
    assert (w.told(), w.mirrored(), w.converged()) == (("1", "delay"), OLD, True)


def test_what_is_on_its_way_out_of_the_project_is_not_fed_in_it(w: Led) -> None:
    bundle = w.wider()
    operation = w.lead(bundle)
    w.sites["switch_live:next"] = lambda: w.runtime.journal.cancel(operation.id)
    w.pivot()

    again = w.promote(
        bundle,
        accept_window="",
        window=Window(start=NOON - timedelta(days=9), end=NOON + timedelta(days=1)),
    )
    w.pivot()
    waiting = w.runtime.journal.get(again.id)
    w.settle()
    w.runtime.journal.retry(again.id)

    assert w.runtime.journal.get(operation.id).state is OperationState.COMPENSATED
    assert [step.error for step in waiting.steps if step.error] == [
        "featureSchemas/delay/versions/2 is on its way out of delay: it is fed afterwards"
    ]
    assert w.settled(again).state is OperationState.SUCCEEDED
    assert (w.mirrored(), w.converged()) == (NEW, True)


def test_a_rollback_between_swap_and_switch_waits_for_no_feature(w: Led) -> None:
    w.release(w.record())
    operation = w.lead(w.wider())
    rollbacks: list[Operation] = []
    at_pivot: list[object] = []

    def press() -> None:
        described = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None)
        assert described.middle is not None
        at_pivot.append((str(described.middle.taken.features_of), described.middle.way))
        started = w.roll_back().operation
        assert started is not None
        rollbacks.append(started)

    w.sites["switch_live:next"] = press
    w.pivot()
    at_pivot.append((w.told(), w.mirrored()))
    w.settle()

    (rollback,) = rollbacks
    assert at_pivot == [("models/delay/bundles/3", Way.MODEL_FIRST), (("1", "delay"), NEW)]
    assert w.runtime.journal.get(operation.id).state is OperationState.COMPENSATED
    assert w.runtime.journal.get(rollback.id).state is OperationState.SUCCEEDED
    assert (w.told(), w.mirrored(), w.converged()) == (("1", "delay"), OLD, True)


def test_it_waits_for_readers_and_that_is_no_failed_attempt(w: Led) -> None:
    w.features.readers["http://server:6566"] = "http://server:6566 does not serve weather yet"
    operation = w.lead(w.wider())

    for _ in range(8):
        w.settle()
        w.runtime.journal.retry(operation.id)
    waiting = w.settled(operation)
    before = (w.told(), w.mirrored())
    w.features.readers["http://server:6566"] = ""
    w.runtime.journal.retry(operation.id)
    ended = w.settled(operation)

    step = waiting.steps[4]
    assert (step.step, step.error, step.attempts) == (
        "swap_features",
        "http://server:6566 does not serve weather yet",
        0,
    )
    assert waiting.state is OperationState.RUNNING
    assert before == (("1", "delay"), NEW)
    assert ended.state is OperationState.SUCCEEDED


def test_a_reader_that_does_not_follow_for_long_turns_it_back(
    w: Led, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trilock.server.features.in_place._READERS", timedelta())
    w.features.readers["http://server:6566"] = "http://server:6566 does not serve weather yet"

    ended = w.settled(w.lead(w.wider()))

    assert ended.state is OperationState.COMPENSATED
    assert ended.error_message == (
        "swap_features: what readers read is not ready: http://server:6566 does not serve weather "
        "yet; it has to be restarted"
    )
    assert w.mirrored() == OLD


def test_it_waits_for_whoever_drives_or_feeds_the_project(w: Led) -> None:
    leases = Leases(w.database, owner="a converger")
    with w.database.write() as session:
        lease = leases.claim(session, plane_scope(ALIAS, "feature_mirror"))
    assert lease is not None
    operation = w.lead(w.wider())
    waited = [(w.settled(operation).steps[4].error, w.mirrored())]
    with leases.fenced(lease) as session:
        leases.free(session, lease)
    with filling(w.database, "delay"):
        w.runtime.journal.retry(operation.id)
        waited.append((w.settled(operation).steps[4].error, w.mirrored()))
    w.runtime.journal.retry(operation.id)

    assert w.settled(operation).state is OperationState.SUCCEEDED
    driven = f"feature_mirror of {ALIAS} is being driven"
    assert waited == [
        (f"{driven}: it is swapped afterwards", OLD),
        ("delay is being fed: it is swapped afterwards", OLD),
    ]


def test_what_waits_is_undone_at_once_when_it_is_told_to(w: Led) -> None:
    w.features.readers["http://server:6566"] = "http://server:6566 does not serve weather yet"
    operation = w.lead(w.wider())
    w.settle()
    w.features.readers["http://server:6566"] = ""

    w.runtime.journal.cancel(operation.id)

    assert w.settled(operation).state is OperationState.COMPENSATED
    assert (w.mirrored(), w.converged()) == (OLD, True)


def test_a_job_begun_before_is_waited_for_before_the_switch(w: Led) -> None:
    w.features.busy_views = ("weather",)
    operation = w.lead(w.wider())

    waiting = w.settled(operation)
    w.features.push("delay", "weather", entity="JFK", values={"temp": 10.0})
    w.features.end_job("delay", "weather", until=NOON + timedelta(days=30))
    w.runtime.journal.retry(operation.id)
    ended = w.settled(operation)

    assert waiting.state is OperationState.RUNNING
    assert "a job begun before still feeds weather" in waiting.steps[4].error
    assert ended.state is OperationState.SUCCEEDED
    assert w.mirrored() == NEW


def test_a_crash_anywhere_in_it_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    def run(site: int) -> tuple[list[str], object]:
        folder = tmp_path / str(site)
        folder.mkdir()
        bomb = Bomb()
        made = World(folder, at=bomb)
        made.in_place = True
        made.release(made.record())
        operation = made.promote(
            made.record(variant="wider", inputs=WIDER_INPUTS), accept_window="", request_id="p"
        )
        bomb.seen.clear()
        bomb._site = site
        crashed = False
        try:
            made.settle()
        except Crash:
            crashed = True
        bomb._site = NEVER
        assert crashed == (site != NEVER)
        free_all(made.database)
        ended = made.settled(operation)
        planes = describe_alias(made.runtime, ALIAS).planes
        end = (ended.state, str(made.live().bundle), made.mirrored(), [p.converged for p in planes])
        made.database.close()
        return list(bomb.seen), end

    sites, expected = run(NEVER)
    first = sites.index("verify_features:done")
    last = sites.index("switch_live:done")

    assert {"lead_features:done", "swap_features:applied"} <= set(sites[first:last])
    for site in range(first + 1, last + 2):
        _, end = run(site)
        assert end == expected, f"site {site}: {sites[site - 1]}"


def test_what_was_pre_empted_swaps_nothing_in_any_more(w: Led) -> None:
    """Whoever drives the operation may be slow: the rollback is over when it goes on."""
    w.release(w.record())
    operation = w.lead(w.wider())
    swaps: list[str] = []
    swap = w.features.swap

    def count(*args: Any, **more: Any) -> None:
        swaps.append(more["source"])
        swap(*args, **more)

    def press() -> None:
        rollback = w.roll_back().operation
        assert rollback is not None
        assert w.settled(rollback).state is OperationState.SUCCEEDED
        w.features.swap = count  # type: ignore[method-assign]

    w.sites["swap_features:started"] = press
    ended = w.settled(operation)

    assert ended.state is OperationState.COMPENSATED
    assert swaps == []
    assert (w.told(), w.mirrored(), w.converged()) == (("1", "delay"), OLD, True)
