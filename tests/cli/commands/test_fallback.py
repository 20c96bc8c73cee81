import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import ALIAS, ago, alias, release
from trilock.v1.release_pb2 import Cause, Fallback, Readiness
from trilock.v1.release_service_pb2 import (
    ClearFallbackRequest,
    ClearFallbackResponse,
    GetAliasResponse,
    ListAliasesResponse,
    SetFallbackRequest,
    SetFallbackResponse,
)

BUNDLE = "models/delay/bundles/7"


@pytest.fixture
def fallback() -> Fallback:
    return Fallback(
        bundle=BUNDLE,
        cause=Cause(principal="ann", reason="plain and old"),
        create_time=ago(hours=2),
        readiness=Readiness(
            state=Readiness.STATE_NOT_READY, problems=["version 7 is gone"], check_time=ago(hours=1)
        ),
    )


def test_it_is_recorded(server: FakeServer, trilock: Trilock, fallback: Fallback) -> None:
    server.answer("ReleaseService.SetFallback", SetFallbackResponse(fallback=fallback))

    run = trilock("fallback", "set", "7", "--reason", "plain and old")
    dry = trilock("fallback", "set", "7", "delay", "--dry-run")
    as_json = trilock("fallback", "set", "7", "-o", "json")

    assert (run.code, run.err) == (
        0,
        "bundle 7 is the fallback of delay@production; `trilock status` says if it stays ready\n",
    )
    assert dry.err == "bundle 7 can be the fallback of delay@production\n"
    assert as_json.json["readiness"]["state"] == "NOT_READY"
    assert server.requests("ReleaseService.SetFallback")[:2] == [
        SetFallbackRequest(alias=ALIAS, bundle=BUNDLE, reason="plain and old"),
        SetFallbackRequest(alias=ALIAS, bundle=BUNDLE, validate_only=True),
    ]


def test_it_is_shown_with_its_readiness(
    server: FakeServer, trilock: Trilock, fallback: Fallback
) -> None:
    found = alias(release(2, bundle=2))
    found.fallback.CopyFrom(fallback)
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=found))
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[found]))

    shown = trilock("fallback", "show").out
    tree = trilock("status").out

    assert BUNDLE in shown
    assert "NOT_READY" in shown
    assert "version 7 is gone" in shown
    line = next(line for line in tree.splitlines() if "fallback" in line)
    assert line.startswith("├── fallback   ✖ NOT_READY  bundle 7  recorded by ann: plain and old, ")
    assert "│   └── version 7 is gone" in tree
    assert trilock("fallback", "show", "-o", "json").json["bundle"] == BUNDLE


def test_without_one_it_says_how_to_have_one(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(release(2, bundle=2))))

    run = trilock("fallback", "show", "delay")

    assert (run.code, run.out, run.err) == (
        0,
        "",
        "delay@production has no fallback bundle: trilock fallback set BUNDLE\n",
    )
    assert trilock("fallback", "show", "-o", "json").json is None


def test_it_is_forgotten(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.ClearFallback", ClearFallbackResponse())

    run = trilock("fallback", "clear", "--reason", "too old")

    assert (run.code, run.err) == (0, "delay@production has no fallback bundle any more\n")
    assert server.requests("ReleaseService.ClearFallback") == [
        ClearFallbackRequest(alias=ALIAS, reason="too old")
    ]
