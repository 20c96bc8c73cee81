import json
from collections.abc import Iterator

import grpc

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.live import live_message, watch_response
from tests.support.releases import ago, release
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import GetReleaseAtResponse
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
