import re

import grpc
import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.live import live_message
from tests.support.releases import ALIAS, OPERATION, ago, alias, operation, release
from trilock.v1.operation_service_pb2 import GetOperationResponse
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import (
    GetAliasResponse,
    ListAliasesResponse,
    ListReleasesRequest,
    ListReleasesResponse,
)
from trilock.v1.serving_service_pb2 import ResolveResponse

LIVE = release(2, bundle=2, staged_rows=2000)
TARGET = release(1, bundle=1, state=ReleaseState.RELEASE_STATE_FINALIZED)


@pytest.fixture(autouse=True)
def live(server: FakeServer) -> None:
    found = alias(LIVE, target=TARGET, operation=OPERATION)
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[found]))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=found))
    server.answer(
        "ServingService.Resolve",
        ResolveResponse(live_bundle=live_message(bundle=2, release=2, revision=20)),
    )
    running = operation(steps=(("deploy_features", "DONE"), ("fill_features", "STARTED")))
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=running))


def test_the_tree_needs_no_colour(trilock: Trilock) -> None:
    run = trilock("status")

    assert (run.code, run.err) == (0, "")
    assert "\x1b" not in run.out
    lines = run.out.splitlines()
    assert lines[0] == "delay@production  SOAKING"
    assert lines[1].startswith("├── live       bundle 2  release 2, promoted by alice 20")
    assert lines[1].endswith("(1 h ago)")
    assert lines[2:7] == [
        "│   ├── reason     because [INC-7]",
        "│   ├── model      delay version 2",
        "│   ├── features   delay_v2 in project delay__s2",
        "│   ├── pipeline   0000000000000000000000000000000000000002",
        "│   └── revision   20 of generation 1",
    ]
    assert lines[7].startswith("├── target     ✔ READY  bundle 1  release 1, looked at 20")
    assert lines[8] == "├── plane      ✔ model_alias agrees: 2"
    assert lines[9:11] == [
        "├── plane      ✖ feature_mirror differs: wanted a1, found b2",
        "│   ├── no answer within 2 s",
    ]
    assert lines[11].startswith("│   └── failed 3 times, next try 20")
    assert lines[12] == "├── sink       predictions STAGED, 2,000 rows staged"
    assert lines[13].startswith("└── operation  promote RUNNING, begun by bob 20")
    assert lines[14:] == [
        "    ├── trilock operations show 0123456789abcdef0123456789abcdef",
        "    ├── DONE     deploy_features  deploy_features it",
        "    └── STARTED  fill_features    fill_features it",
    ]
    assert max(len(line) for line in lines) <= 100


def test_an_operation_that_waits_says_for_what_since_when_and_until_when(
    server: FakeServer, trilock: Trilock
) -> None:
    waiting = operation(steps=(("fill_features", "STARTED"),))
    waiting.steps[0].title = "fill delay__s2 for models/delay/bundles/2"
    waiting.steps[0].attempts = 3
    waiting.steps[0].error = "no answer within 2 s"
    waiting.steps[0].start_time.CopyFrom(ago(minutes=2))
    waiting.next_try_time.CopyFrom(ago(seconds=-60))
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=waiting))

    lines = trilock("status").out.splitlines()

    assert lines[-2] == "    ├── STARTED  fill_features  fill delay__s2 for bundle 2, 3 attempts"
    assert lines[-1].startswith("    └── waits for fill_features since 20")
    assert "(2 min ago): no answer within 2 s; next try 20" in lines[-1]


def test_aliases_that_are_not_shown_are_not_passed_over_in_silence(
    server: FakeServer, trilock: Trilock
) -> None:
    found = [alias(LIVE, target=TARGET), alias(LIVE, target=TARGET)]
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=found))

    run = trilock("status", "--limit=1")

    assert run.out.count("delay@production  SOAKING") == 1
    assert run.err == "there are more aliases than the 1 shown: raise --limit, or name one\n"


def test_rows_that_nobody_has_counted_are_not_said_to_be_none(
    server: FakeServer, trilock: Trilock
) -> None:
    found = alias(LIVE, target=TARGET)
    found.live.sinks[0].staged_rows = 0
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[found]))

    assert "─ sink       predictions STAGED\n" in trilock("status").out


def test_one_alias_may_be_asked_for(server: FakeServer, trilock: Trilock) -> None:
    trilock("status", "delay@canary")

    assert server.requests("ReleaseService.GetAlias")[0].name == "models/delay/aliases/canary"
    assert server.requests("ReleaseService.ListAliases") == []


def test_as_json(trilock: Trilock) -> None:
    (found,) = trilock("status", "-o", "json").json

    assert found["name"] == ALIAS
    assert found["live"]["state"] == "SOAKING"
    assert found["live_bundle"]["live"]["model_version"] == "2"
    assert found["operation"]["name"] == OPERATION
    assert found["readiness"]["state"] == "READY"


def test_what_cannot_be_resolved_is_said_and_the_rest_is_shown(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ServingService.Resolve",
        RefusedError(code=grpc.StatusCode.NOT_FOUND, message="not yet", reason="NOT_FOUND"),
    )

    run = trilock("status")

    assert run.code == 0
    assert run.err == ("what serving processes are told of delay@production is unknown: not yet\n")
    assert run.out.startswith("delay@production  SOAKING\n")


def test_before_anything_was_released(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.ListAliases", ListAliasesResponse())

    run = trilock("status")

    assert (run.code, run.out) == (0, "")
    assert run.err == "nothing was ever released; record a bundle and promote it\n"


def test_history(server: FakeServer, trilock: Trilock) -> None:
    rollback = release(
        3,
        bundle=1,
        rollback=True,
        leaves=2,
        leaves_bundle=2,
        by="bob",
        since=ago(minutes=5),
        state=ReleaseState.RELEASE_STATE_FINALIZED,
    )
    bad = release(
        2, bundle=2, leaves=1, leaves_bundle=1, state=ReleaseState.RELEASE_STATE_ROLLED_BACK
    )
    rollback.acknowledged_watchers = 12
    rollback.acknowledge_duration.FromMilliseconds(41)
    found = [rollback, bad, TARGET]
    server.answer(
        "ReleaseService.ListReleases",
        ListReleasesResponse(releases=found),
        ListReleasesResponse(releases=found[:2]),
    )

    run = trilock("history")
    two = trilock("history", "delay", "--limit=2")
    as_json = trilock("history", "--limit=2", "-o", "json")

    header, *lines = run.out.splitlines()
    assert [name.strip() for name in header.split("  ") if name.strip()] == [
        "revision",
        "alias",
        "change",
        "state",
        "when",
        "by",
        "reason [incident]",
        "fleet",
    ]
    cells = [line.split("  ") for line in lines]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in cells]
    assert [(line[0], line[2], line[3], line[5]) for line in cells] == [
        ("30", "roll back 2 -> 1", "FINALIZED", "bob"),
        ("20", "promote 1 -> 2", "ROLLED_BACK", "alice"),
        ("10", "promote nothing -> 1", "FINALIZED", "alice"),
    ]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", cells[0][4])
    assert [line[6] for line in cells] == ["because [INC-7]"] * 3
    assert [line[7] for line in cells] == ["12 in 0.04 s", "-", "-"]
    # What the oldest one shown replaced is known, though it is not shown.
    assert "promote 1 -> 2" in two.out.splitlines()[-1]
    assert [(one["name"][-1], one["leaves_bundle"][-1]) for one in as_json.json] == [
        ("3", "2"),
        ("2", "1"),
    ]
    requests = server.requests("ReleaseService.ListReleases")
    assert requests[1] == ListReleasesRequest(alias=ALIAS, page_size=2)


def test_aliases(trilock: Trilock) -> None:
    run = trilock("aliases")

    line = run.out.splitlines()[1]
    assert line.split()[:3] == ["delay@production", "2", "SOAKING"]
    assert line.split()[-2:] == ["READY", "feature_mirror"]
    assert trilock("aliases", "delay", "-o", "json").json[0]["etag"] == '"20"'


def test_a_history_without_releases_says_so(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.ListReleases", ListReleasesResponse())

    run, as_json = trilock("history", "delay@canary"), trilock("history", "-o", "json")

    assert (run.code, run.out) == (0, "")
    assert run.err == "nothing was ever released on delay@canary\n"
    assert as_json.json == []
