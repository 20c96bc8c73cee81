import json
from collections.abc import Iterator

import grpc

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.live import live_message, watch_response
from tests.support.releases import ago, alias, release
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import GetReleaseAtResponse, ListAliasesResponse
from trilock.v1.serving_service_pb2 import ResolveRequest, ResolveResponse


def test_resolve(server: FakeServer, trilock: Trilock) -> None:
    live = live_message(bundle=2, release=5, revision=42, standby=1)
    server.answer("ServingService.Resolve", ResolveResponse(live_bundle=live))

    run = trilock("resolve", "--min-revision=42")

    assert run.code == 0
    lines = [line.strip().split("  ") for line in run.out.splitlines()]
    found = {line[0]: line[-1].strip() for line in lines}
    assert lines[0][0] == "alias"  # no header, not even an empty one
    assert found["bundle"] == "models/delay/bundles/2"
    assert found["model"] == "delay version 2"
    assert found["standby"] == "models/delay/bundles/1"
    assert found["revision"] == "42 of generation 1"
    assert server.requests("ServingService.Resolve") == [
        ResolveRequest(alias="models/delay/aliases/production", min_revision=42)
    ]


def test_resolve_as_json(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ServingService.Resolve", ResolveResponse(live_bundle=live_message()))

    found = trilock("resolve", "delay", "-o", "json").json

    assert found["revision"] == 1
    assert found["live"]["serving_config"] == {"flags": {"limit": 3}, "image": "sha256:1"}
    assert found["standby"] is None


def test_resolve_at_a_past_moment(server: FakeServer, trilock: Trilock) -> None:
    past = GetReleaseAtResponse(
        release=release(2, bundle=2, state=ReleaseState.RELEASE_STATE_ROLLED_BACK),
        serving_bundle=live_message(bundle=2).live,
    )
    past.release.end_time.CopyFrom(ago(minutes=30))
    server.answer("ReleaseService.GetReleaseAt", past)

    run = trilock("resolve", "--at", "2013-06-01T12:00:00Z")

    found = dict(line.strip().split("  ", 1) for line in run.out.splitlines())
    assert found["bundle"].strip() == "models/delay/bundles/2"
    assert found["state"].strip() == "ROLLED_BACK"
    assert found["live until"].endswith("(30 min ago)")
    assert (found["by"].strip(), found["incident"].strip()) == ("alice", "INC-7")
    (request,) = server.requests("ReleaseService.GetReleaseAt")
    assert request.alias == "models/delay/aliases/production"
    assert request.time.ToJsonString() == "2013-06-01T12:00:00Z"
    as_json = trilock("resolve", "delay", "--at", "2013-06-01", "-o", "json").json
    assert as_json["release"]["cause"]["principal"] == "alice"
    assert as_json["serving_bundle"]["model_version"] == "2"


def test_a_past_moment_has_no_least_revision(trilock: Trilock) -> None:
    run = trilock("resolve", "--at", "2013-06-01", "--min-revision=4")

    assert (run.code, run.out) == (2, "")
    assert run.err == "error: --min-revision is for now: it cannot be said with --at\n"
    assert trilock("resolve", "--at", "yesterday").code == 2


def stream(server: FakeServer) -> None:
    def changes(request: object, context: grpc.ServicerContext) -> Iterator[object]:
        yield watch_response(live_message(revision=4), snapshot=True)
        yield watch_response(live_message(bundle=2, revision=5))
        server.closing.wait()

    server.answer("ServingService.Watch", changes)
    there = ListAliasesResponse(aliases=[alias(release(4, bundle=1))])
    server.answer("ReleaseService.ListAliases", there)


def test_watch_says_at_once_that_there_is_nothing_and_what_there_is(
    server: FakeServer, trilock: Trilock
) -> None:
    stream(server)
    there = ListAliasesResponse(aliases=[alias(release(2, bundle=2))])
    server.answer("ReleaseService.ListAliases", there)

    unknown, misspelt = trilock("watch", "nosuch"), trilock("watch", "delay@prodution", "delay")

    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err == (
        "error: nothing was ever released on nosuch@production; an alias is spelt MODEL[@ALIAS], "
        "and there is: delay@production; --wait waits for it\n"
    )
    assert misspelt.code == 2
    assert "nothing was ever released on delay@prodution; an alias" in misspelt.err


def test_watch_waits_for_a_first_release_if_it_is_asked_to(
    server: FakeServer, trilock: Trilock
) -> None:
    stream(server)
    server.answer("ReleaseService.ListAliases", ListAliasesResponse())

    refused, run = trilock("watch", "delay"), trilock("watch", "delay", "--wait", "--count=1")

    assert "and there is: none yet" in refused.err
    assert (run.code, run.err) == (
        0,
        "nothing was ever released on delay@production; waiting for it\n",
    )
    assert run.out == "4  delay@production  bundle 1  FINALIZED  by alice: because\n"


def test_who_may_only_watch_watches(server: FakeServer, trilock: Trilock) -> None:
    stream(server)
    denied = RefusedError(
        code=grpc.StatusCode.PERMISSION_DENIED, message="no", reason="PERMISSION_DENIED"
    )
    server.answer("ReleaseService.ListAliases", denied)

    assert trilock("watch", "delay", "--count=1").code == 0


def test_watch_shows_what_is_live_and_every_change(server: FakeServer, trilock: Trilock) -> None:
    stream(server)

    run = trilock("watch", "delay", "--count=2")

    assert run.code == 0
    assert run.out.splitlines() == [
        "4  delay@production  bundle 1  FINALIZED  by alice: because",
        "5  delay@production  bundle 2  FINALIZED  by alice: because",
    ]


def test_watch_writes_one_json_object_a_line(server: FakeServer, trilock: Trilock) -> None:
    stream(server)

    run = trilock("watch", "--count=2", "-o", "json")

    first, second = (json.loads(line) for line in run.out.splitlines())
    assert (first["revision"], second["bundle"]) == (4, "models/delay/bundles/2")
    assert second["serving_config"]["image"] == "sha256:2"
