"""The roster on PostgreSQL, with several replicas at once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.domain.fleet import Acknowledgement, ServingReport
from trilock.server.domain.operation import OperationState
from trilock.server.planning.trial import Trial
from trilock.server.store.counters import generation
from trilock.server.store.releases import get_release
from trilock.server.usecases.describe_fleet import describe_fleet
from trilock.server.usecases.report_serving import report_serving

pytestmark = pytest.mark.slow

WATCHERS = 40
REPLICAS = 3
DEADLINE = 60.0


@pytest.fixture
def replicas(postgres_database: str, tmp_path: Path) -> Iterator[list[World]]:
    """Yield several servers on one database, with a final release."""
    with ExitStack() as stack:
        outside = stack.enter_context(world(tmp_path))
        made = [outside.replica(postgres_database) for _ in range(REPLICAS)]
        for one in made:
            stack.callback(one.database.close)
        first = made[0]
        first.register()
        first.release(first.record())
        yield made


def reports(of: World, numbers: range) -> list[ServingReport]:
    with of.database.read() as session:
        present = generation(session)
    given = Acknowledgement(
        alias=ALIAS,
        generation=present,
        revision=of.live().revision,
        standby_warm=True,
        refusal="",
    )
    return [
        ServingReport(
            watcher=f"api.{number}", principal="api", acknowledgements=(given,), leaves=False
        )
        for number in numbers
    ]


def report_everywhere(replicas: list[World]) -> None:
    """Have every watcher report, to all replicas at the same time."""
    share = WATCHERS // len(replicas)
    failures: list[BaseException] = []

    def work(one: World, numbers: range) -> None:
        try:
            for number in numbers:
                report_serving(one.runtime, reports(one, range(number, number + 1)))
            report_serving(one.runtime, reports(one, range(share * len(replicas))))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [
        threading.Thread(target=work, args=(one, range(at * share, (at + 1) * share)))
        for at, one in enumerate(replicas)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not failures


def test_every_replica_sees_one_fleet(replicas: list[World]) -> None:
    first, second, third = replicas
    report_everywhere(replicas)
    everybody = WATCHERS // REPLICAS * REPLICAS
    for one in replicas:
        fleet = describe_fleet(one.runtime, ALIAS)
        assert (len(fleet.watchers), fleet.warm, fleet.stragglers) == (everybody, everybody, ())

    operation = first.promote(first.record(variant="kelvin"))
    second.settle()
    assert third.runtime.journal.get(operation.id).state is OperationState.CONVERGING
    report_everywhere(replicas)
    third.settle()

    assert first.runtime.journal.get(operation.id).state is OperationState.SUCCEEDED
    with second.database.read() as session:
        release = get_release(session, second.live().release)
    # Each of them counts once, though it reported to all three.
    assert release.acknowledged == everybody
    assert release.acknowledged_ms is not None


def test_a_canary_from_one_replica_is_advanced_and_ended_by_others(
    replicas: list[World],
) -> None:
    first, second, third = replicas
    stable = first.live().release
    operation = first.promote(first.record(variant="kelvin"), trial=Trial(percent=5))
    second.settle()
    canary = operation.release
    assert canary is not None
    assert third.live().trials == (canary,)

    third.roll_back(leaves=canary)
    first.settle()

    assert (second.live().release, second.live().trials) == (stable, ())
