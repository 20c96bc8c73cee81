"""Resolvers tell a real server what they serve."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tests.support.served_world import DEADLINE, Served, secret_of, served_world
from tests.support.tcp_proxy import TcpProxy
from tests.support.values import ALIAS
from trilock.client import AsyncClient, AsyncResolver, Client, Freshness, Resolver
from trilock.client.errors import InvalidError, UnresolvedError
from trilock.v1.fleet_pb2 import Fleet
from trilock.v1.fleet_service_pb2 import (
    ListAcknowledgementsRequest,
    ListWatchersRequest,
    ReportServingRequest,
)

pytestmark = pytest.mark.slow

_LOOK: Final = 0.02


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_world(tmp_path) as made:
        made.world.release(made.world.record())
        yield made


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.address, token=secret_of("serve")) as made:
        yield made


def watchers(served: Served) -> Any:
    return served.call("Fleet.ListWatchers", ListWatchersRequest(alias=str(ALIAS)))


def until(served: Served, reached: Callable[[Fleet], bool]) -> Fleet:
    """Return the fleet once it is so: every report is a write, and writes are waited for."""
    nudge = served.world.runtime.journal.nudge
    while True:
        ticket = nudge.ticket()
        fleet: Fleet = watchers(served).fleet
        if reached(fleet):
            return fleet
        nudge.wait(ticket, timeout=DEADLINE)
        assert nudge.ticket() != ticket, f"no report came: {fleet}"


def test_a_resolver_acknowledges_by_itself_and_leaves(served: Served, client: Client) -> None:
    first = served.world.live().revision
    with Resolver(client, ["delay"], watcher="delay-api") as resolver:
        assert until(served, lambda fleet: fleet.serving == 1).revision == first
        (watcher,) = watchers(served).watchers
        assert watcher.name == resolver.watcher
        assert watcher.name.startswith("delay-api.")
        assert (watcher.principal, watcher.revision) == ("serve", first)

        served.world.promote(served.world.record(variant="kelvin"))
        served.world.pivot()
        second = served.world.live().revision
        assert second > first
        fleet = until(served, lambda fleet: fleet.serving == 1 and fleet.revision == second)
        assert (fleet.watchers, fleet.standby_warm) == (1, 0)
    assert until(served, lambda fleet: fleet.watchers == 0).stragglers == []
    (served_by,) = served.call(
        "Fleet.ListAcknowledgements", ListAcknowledgementsRequest(revision=second)
    ).acknowledgements
    assert (served_by.watcher, served_by.bundle) == (resolver.watcher, "models/delay/bundles/2")


def test_who_loads_models_answers_for_itself(served: Served, client: Client) -> None:
    with Resolver(client, ["delay"]) as resolver:
        resolver.claim("delay")
        assert resolver.wait_ready(DEADLINE)
        revision = resolver.current().revision
        resolver.acknowledge(
            "delay", revision, standby_warm=False, refused="the features\ndo not match"
        )
        fleet = until(served, lambda fleet: fleet.refused == 1)
        assert fleet.refusal == "the features do not match"
        resolver.acknowledge("delay", revision, standby_warm=True)
        fleet = until(served, lambda fleet: fleet.serving == 1)
        assert (fleet.standby_warm, fleet.refused) == (1, 0)


def test_nothing_is_told_by_who_only_looks(served: Served, client: Client) -> None:
    with Resolver(client, ["delay"], reports=False) as resolver:
        assert resolver.wait_ready(DEADLINE)
    until(served, lambda fleet: fleet.watchers == 0)


def test_acknowledging_what_is_not_known(client: Client) -> None:
    with Resolver(client, ["delay@canary"]) as resolver:
        with pytest.raises(UnresolvedError):
            resolver.acknowledge("delay@canary", 1, standby_warm=False)
        with pytest.raises(InvalidError):
            resolver.acknowledge("other", 1, standby_warm=False)


def test_a_server_that_is_not_heard_is_told_no_farewell(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = served.address.rpartition(":")
    with (
        TcpProxy((host, int(port))) as proxy,
        Client(f"127.0.0.1:{proxy.port}", token=secret_of("serve")) as client,
    ):
        report, farewells = client.fleet.ReportServing, []

        def recorded(request: ReportServingRequest, *, timeout: float) -> Any:
            farewells.append(request.leaves)
            return report(request, timeout=timeout)

        monkeypatch.setattr(client, "fleet", SimpleNamespace(ReportServing=recorded))
        with Resolver(client, ["delay"]) as resolver:
            until(served, lambda fleet: fleet.serving == 1)
            proxy.refuse()
            for _ in range(round(DEADLINE / _LOOK)):
                if resolver.health().state is Freshness.STALE:
                    break
                threading.Event().wait(_LOOK)
            assert resolver.health().state is Freshness.STALE
    assert True not in farewells


def test_an_async_resolver_does_the_same(served: Served) -> None:
    async def serve() -> None:
        client = AsyncClient(served.address, token=secret_of("serve"))
        async with AsyncResolver(client, ["delay"], watcher="async-api") as resolver:
            fleet = await asyncio.to_thread(until, served, lambda fleet: fleet.serving == 1)
            assert fleet.watchers == 1
            assert watchers(served).watchers[0].name == resolver.watcher
        await client.close()

    asyncio.run(serve())
    until(served, lambda fleet: fleet.watchers == 0)
