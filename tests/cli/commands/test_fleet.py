from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import ALIAS, ago, alias, release
from trilock.v1.fleet_pb2 import Fleet, Watcher, WatcherState
from trilock.v1.fleet_service_pb2 import (
    ListAcknowledgementsRequest,
    ListAcknowledgementsResponse,
    ListWatchersResponse,
    RecordedAcknowledgement,
)
from trilock.v1.release_service_pb2 import ListAliasesResponse

FLEET = Fleet(revision=42, watchers=12, serving=12, standby_warm=12)


def watchers() -> ListWatchersResponse:
    behind = Watcher(
        name="api.2",
        alias=ALIAS,
        state=WatcherState.WATCHER_STATE_REFUSED,
        revision=41,
        refusal="features do not match",
        principal="api",
    )
    serving = Watcher(
        name="api.1",
        alias=ALIAS,
        state=WatcherState.WATCHER_STATE_SERVING,
        revision=42,
        standby_warm=True,
        principal="api",
        acknowledge_time=ago(minutes=3),
    )
    fleet = Fleet(
        revision=42,
        watchers=2,
        serving=1,
        standby_warm=1,
        refused=1,
        stragglers=["api.2"],
        refusal="features do not match",
    )
    return ListWatchersResponse(watchers=[behind, serving], fleet=fleet)


def test_fleet(server: FakeServer, trilock: Trilock) -> None:
    server.answer("FleetService.ListWatchers", watchers())

    run = trilock("fleet")

    assert run.code == 0
    first, _, refused, serving = run.out.splitlines()
    assert first == (
        "delay@production: 1 of 2 on revision 42, standby warm on 1, not on api.2, "
        "refused by 1: features do not match"
    )
    assert refused.split()[:3] == ["api.2", "REFUSED", "41"]
    assert refused.rstrip().endswith("features do not match")
    assert serving.split()[:4] == ["api.1", "SERVING", "42", "warm"]
    assert trilock("fleet", "-o", "json").json["watchers"][1]["standby_warm"] is True


def test_nobody_serves_it(server: FakeServer, trilock: Trilock) -> None:
    server.answer("FleetService.ListWatchers", ListWatchersResponse(fleet=Fleet(revision=3)))

    run = trilock("fleet", "delay@canary")

    assert (run.code, run.out) == (0, "")
    assert "no process reports that it serves delay@canary" in run.err


def test_who_served(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "FleetService.ListAcknowledgements",
        ListAcknowledgementsResponse(
            acknowledgements=[
                RecordedAcknowledgement(
                    alias=ALIAS,
                    watcher="api.1",
                    principal="api",
                    revision=42,
                    bundle="models/delay/bundles/2",
                    acknowledge_time=ago(minutes=3),
                )
            ]
        ),
    )

    run = trilock("who-served", "42")

    assert run.code == 0
    assert run.out.splitlines()[1].split()[:4] == ["api.1", "delay@production", "2", "SERVED"]
    (request,) = server.requests("FleetService.ListAcknowledgements")
    assert request == ListAcknowledgementsRequest(revision=42, page_size=100)
    assert trilock("who-served", "zero").code == 2
    assert trilock("who-served", "0").code == 2


def test_nobody_is_known_to_have_served_it(server: FakeServer, trilock: Trilock) -> None:
    server.answer("FleetService.ListAcknowledgements", ListAcknowledgementsResponse())

    run = trilock("who-served", "7")

    assert (run.code, run.out) == (0, "")
    assert "nobody is known to have served revision 7" in run.err


def test_status_shows_the_fleet(server: FakeServer, trilock: Trilock) -> None:
    told = alias(release(2, bundle=2))
    told.fleet.CopyFrom(FLEET)
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[told]))

    assert "fleet      12 of 12 on revision 42, standby warm on 12" in trilock("status").out
