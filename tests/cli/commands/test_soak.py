import grpc
import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.releases import (
    ALIAS,
    OPERATION,
    ago,
    alias,
    operation,
    release,
    rollback_plan,
    waited,
)
from trilock.v1.operation_pb2 import OperationState
from trilock.v1.operation_service_pb2 import GetOperationResponse, ListOperationsResponse
from trilock.v1.release_pb2 import Alias, Cause, Pause, Release
from trilock.v1.release_service_pb2 import (
    AbortResponse,
    GetAliasResponse,
    GetReleaseResponse,
    ListAliasesResponse,
    ListReleasesResponse,
    PauseResponse,
    ResumeResponse,
)

ETA = "models/eta/aliases/production"
FINALIZE = operation(OperationState.OPERATION_STATE_SUCCEEDED, kind="FINALIZE", pivot_revision=9)


@pytest.fixture(autouse=True)
def nothing_works_on_it(server: FakeServer) -> None:
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=Alias(name=ALIAS)))


def paused_release(*, resumed: bool = False) -> Release:
    paused = release(2, bundle=2)
    pause = Pause(
        revision=21, start_time=ago(minutes=10), cause=Cause(principal="ann", reason="odd")
    )
    if resumed:
        pause.end_revision = 22
        pause.end_time.CopyFrom(ago(minutes=5))
        pause.end_cause.principal = "bob"
    paused.pauses.append(pause)
    return paused


def test_a_soak_is_paused_and_resumed(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Pause", PauseResponse(release=paused_release()))
    server.answer("ReleaseService.Resume", ResumeResponse(release=paused_release(resumed=True)))

    pause = trilock("pause", "--reason", "odd")
    resume = trilock("resume", "delay")

    assert (pause.code, pause.err) == (
        0,
        (
            "delay@production is paused: trilock resume delay@production, "
            "or trilock rollback delay@production\n"
        ),
    )
    assert (resume.code, resume.err) == (
        0,
        (
            "delay@production soaks: trilock finalize delay@production, "
            "or trilock rollback delay@production\n"
        ),
    )
    (request,) = server.requests("ReleaseService.Pause")
    assert (request.alias, request.reason) == (ALIAS, "odd")
    assert trilock("pause", "--dry-run").err == "delay@production can be paused\n"
    assert trilock("resume", "--dry-run").err == "delay@production can be resumed\n"
    assert trilock("pause", "-o", "json").json["release"]["pauses"][0]["cause"]["reason"] == "odd"
    assert trilock("resume", "-o", "json").json["already_done"] is False


def test_who_comes_second_is_told_who_was_first(server: FakeServer, trilock: Trilock) -> None:
    paused = PauseResponse(release=paused_release(), already_done=True)
    server.answer("ReleaseService.Pause", paused)
    server.answer("ReleaseService.Resume", ResumeResponse(already_done=True))

    assert trilock("pause").err.startswith("already done by ann 20")
    assert trilock("resume").err.startswith("it was not paused: delay@production soaks")


def test_status_and_history_show_the_pause(server: FakeServer, trilock: Trilock) -> None:
    found = alias(paused_release())
    found.soaked.FromSeconds(3000)
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[found]))
    both = [paused_release(resumed=True), release(1, bundle=1)]
    server.answer("ReleaseService.ListReleases", ListReleasesResponse(releases=both))

    tree = trilock("status").out.splitlines()
    history = trilock("history").out.splitlines()[1:]

    assert tree[0] == "delay@production  SOAKING, paused"
    (soak,) = (line for line in tree if "soak " in line)
    assert soak.startswith("├── soak       50 min, then paused by ann 20")
    assert soak.endswith("(10 min ago): odd")
    assert [" ".join(line.split()[:4]) for line in history] == [
        "22 delay@production resume 2",
        "21 delay@production pause 2",
        "20 delay@production promote nothing",
        "10 delay@production promote nothing",
    ]


def test_a_plane_that_was_not_seen_since_is_not_said_to_be_what_it_should_be(
    server: FakeServer, trilock: Trilock
) -> None:
    found = alias(release(2, bundle=2))
    found.planes[1].found = found.planes[1].wanted
    server.answer("ReleaseService.ListAliases", ListAliasesResponse(aliases=[found]))

    tree = trilock("status").out

    assert "✖ feature_mirror follows, was a1 when last seen\n    ├── no answer within 2 s\n" in tree


def test_what_was_given_up_already_is_told_before_any_plan_is_made(
    server: FakeServer, trilock: Trilock
) -> None:
    switched = operation(OperationState.OPERATION_STATE_SUCCEEDED, pivot_revision=20)
    back = operation(OperationState.OPERATION_STATE_SUCCEEDED, kind="ROLL_BACK", pivot_revision=42)
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[switched]))
    server.answer(
        "ReleaseService.Abort", AbortResponse(operation=back, rolls_back=True, already_done=True)
    )

    run = trilock("abort", "--yes")

    assert (run.code, run.out) == (0, "")
    assert run.err == (f"already done by bob: {OPERATION}\nnext: trilock status delay@production\n")
    assert server.requests("ReleaseService.PlanRollback") == []
    assert trilock("abort", "--yes", "-o", "json").json["already_done"] is True


@pytest.fixture
def running(server: FakeServer) -> None:
    server.answer("ReleaseService.Abort", AbortResponse())
    found = [FINALIZE, operation()]
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=found))


@pytest.mark.usefixtures("running")
def test_a_promotion_that_has_not_switched_is_undone(server: FakeServer, trilock: Trilock) -> None:
    back = operation(OperationState.OPERATION_STATE_COMPENSATING)
    undone = operation(OperationState.OPERATION_STATE_COMPENSATED)
    server.answer("ReleaseService.Abort", AbortResponse(operation=back))
    server.answer("OperationService.WaitOperation", waited(undone, version=5))

    run = trilock("abort", "--yes", "--reason", "wrong one")
    as_json = trilock("abort", "--yes", "-o", "json")

    assert (run.code, run.out) == (0, f"{OPERATION} is undone; delay@production is as it was\n")
    assert run.err.startswith(
        f"{OPERATION}, bundle 2 on delay@production: RUNNING, nobody has switched; "
        "its steps are undone\n"
    )
    assert as_json.json["operation"]["state"] == "COMPENSATED"
    asked, request = server.requests("ReleaseService.Abort")[:2]
    assert (asked.validate_only, request.validate_only) == (True, False)
    assert (request.operation, request.reason) == (OPERATION, "wrong one")
    assert trilock("abort", "--yes", "--no-wait").out == f"{OPERATION}\n"


def test_one_that_has_switched_is_shown_and_rolled_back(
    server: FakeServer, trilock: Trilock
) -> None:
    switched = operation(OperationState.OPERATION_STATE_SUCCEEDED, pivot_revision=20)
    done = operation(
        OperationState.OPERATION_STATE_SUCCEEDED, kind="ROLL_BACK", bundle=1, pivot_revision=42
    )
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[switched]))
    server.answer("ReleaseService.PlanRollback", rollback_plan())
    server.answer("ReleaseService.Abort", AbortResponse(operation=done, rolls_back=True))
    server.answer("ReleaseService.GetRelease", GetReleaseResponse(release=release(2, bundle=2)))

    run = trilock("abort", "--yes")

    assert run.code == 0
    assert run.err.startswith(
        f"{OPERATION}, bundle 2 on delay@production: every reader has switched, so it is rolled "
        "back\nroll back delay@production\n"
    )
    assert run.out.startswith("delay@production is back on bundle 1 ")


def test_what_went_live_together_is_named_and_taken_back_together(
    server: FakeServer, trilock: Trilock
) -> None:
    switched = operation(OperationState.OPERATION_STATE_SUCCEEDED, pivot_revision=20)
    done = operation(
        OperationState.OPERATION_STATE_SUCCEEDED, kind="ROLL_BACK", bundle=1, pivot_revision=42
    )
    plan = rollback_plan()
    plan.plan.alias = ETA
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[switched]))
    server.answer("ReleaseService.PlanRollback", rollback_plan(), plan, rollback_plan(), plan)
    both = [switched.alias, ETA]
    server.answer(
        "ReleaseService.Abort", AbortResponse(operation=done, rolls_back=True, aliases=both)
    )
    server.answer("ReleaseService.GetRelease", GetReleaseResponse(release=release(2, bundle=2)))

    run = trilock("abort", "--yes")

    assert run.code == 0
    assert run.err.startswith(
        f"{OPERATION}, bundle 2 on delay@production: every reader has switched, so it is rolled "
        "back, delay@production, eta@production together\nroll back delay@production\n"
    )
    assert "\nroll back eta@production\n" in run.err
    asked = server.requests("ReleaseService.PlanRollback")
    assert [(one.alias, one.with_companions) for one in asked] == [
        (switched.alias, True),
        (ETA, True),
    ]
    assert "\neta@production is back on bundle " in run.out


def test_a_promotion_of_another_alias_that_would_switch_this_one_is_what_is_undone(
    server: FakeServer, trilock: Trilock
) -> None:
    back = operation(OperationState.OPERATION_STATE_COMPENSATED)
    server.answer(
        "ReleaseService.GetAlias", GetAliasResponse(alias=Alias(name=ETA, operation=OPERATION))
    )
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=operation()))
    both = [back.alias, ETA]
    server.answer("ReleaseService.Abort", AbortResponse(operation=back, aliases=both))
    server.answer("OperationService.WaitOperation", waited(back, version=5))

    run = trilock("abort", "eta", "--yes")

    assert run.code == 0
    assert run.err.startswith(
        f"{OPERATION}, bundle 2 on delay@production: RUNNING, nobody has switched; its steps are "
        "undone for delay@production, eta@production\n"
    )


@pytest.mark.usefixtures("running")
def test_without_a_yes_nothing_is_aborted(server: FakeServer, trilock: Trilock) -> None:
    run = trilock("abort")

    assert run.code == 2
    assert run.err.endswith("error: there is no terminal to ask on: say --yes to abort\n")
    assert [one.validate_only for one in server.requests("ReleaseService.Abort")] == [True]


def test_without_a_promotion_there_is_nothing_to_abort(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[FINALIZE]))

    run = trilock("abort", "--yes")

    assert (run.code, run.err) == (
        3,
        "error: delay@production had no promotion lately: there is nothing to abort\n",
    )


@pytest.mark.usefixtures("running")
def test_what_is_final_is_not_aborted(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "ReleaseService.Abort",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION, message="it is over", reason="WRONG_STATE"
        ),
    )

    assert trilock("abort", "--yes").code == 3
