from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import ALIAS, alias, operation, release, waited
from trilock.v1.operation_pb2 import OperationState
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import (
    AdvanceResponse,
    GetAliasResponse,
    ListAliasesResponse,
    PromoteResponse,
)

DONE = OperationState.OPERATION_STATE_SUCCEEDED


def test_a_canary_is_promoted_for_a_share(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=operation(DONE)))
    server.answer("OperationService.WaitOperation", waited(operation(DONE), version=1))

    run = trilock("promote", "3", "--canary", "5")

    assert run.code == 0, run.err
    assert "bundle 3 gets 5 % of the requests of delay@production" in run.out
    assert "trilock advance PERCENT delay@production, or trilock rollback" in run.err
    (request,) = server.requests("ReleaseService.Promote")
    assert (request.canary_percent, request.shadow) == (5, False)


def test_a_shadow_gets_a_copy(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=operation(DONE)))
    server.answer("OperationService.WaitOperation", waited(operation(DONE), version=1))

    run = trilock("promote", "3", "--shadow")

    assert "bundle 3 gets a copy of the requests of delay@production" in run.out
    assert run.err.endswith("next: trilock rollback delay@production --shadow\n")
    (request,) = server.requests("ReleaseService.Promote")
    assert (request.canary_percent, request.shadow) == (0, True)


def test_advance(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Advance", AdvanceResponse(operation=operation(DONE)))
    server.answer("OperationService.WaitOperation", waited(operation(DONE), version=1))

    run = trilock("advance", "25", "--reason", "it is good")

    assert run.code == 0, run.err
    assert "gets 25 % of the requests of delay@production" in run.out
    (request,) = server.requests("ReleaseService.Advance")
    assert (request.alias, request.percent, request.reason) == (ALIAS, 25, "it is good")
    assert "is live on delay@production" in trilock("advance", "100").out


def test_shares_are_of_a_hundred(trilock: Trilock) -> None:
    for words in (
        ("advance", "0"),
        ("advance", "101"),
        ("advance", "some"),
        ("promote", "3", "--canary", "100"),
    ):
        assert trilock(*words).code == 2


def test_advance_dry_run(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Advance", AdvanceResponse())

    run = trilock("advance", "25", "--dry-run")

    assert (run.code, run.out) == (0, "")
    assert "the canary of delay@production can be given 25 %" in run.err


def test_status_shows_what_is_on_trial(server: FakeServer, trilock: Trilock) -> None:
    told = alias(release(2, bundle=2))
    told.canary.CopyFrom(release(3, bundle=3, state=ReleaseState.RELEASE_STATE_CANARY))
    told.canary_percent = 5
    told.shadow.CopyFrom(release(4, bundle=4, state=ReleaseState.RELEASE_STATE_SHADOW))
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[told]))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=told))

    out = trilock("status").out

    assert "canary     5 % to bundle 3  release 3, promoted by alice" in out
    assert "shadow     bundle 4  release 4, promoted by alice" in out
