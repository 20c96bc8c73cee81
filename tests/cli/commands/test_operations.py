from collections.abc import Iterator

import grpc

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.releases import ALIAS, OPERATION, ago, operation, waited
from trilock.v1.operation_pb2 import OperationError, OperationState
from trilock.v1.operation_service_pb2 import (
    CancelOperationRequest,
    CancelOperationResponse,
    GetOperationRequest,
    GetOperationResponse,
    ListOperationsRequest,
    ListOperationsResponse,
    RetryOperationRequest,
    RetryOperationResponse,
)

ID = OPERATION.removeprefix("operations/")
RUNNING = operation(steps=(("deploy_features", "DONE"), ("fill_features", "STARTED")))
SUCCEEDED = operation(OperationState.OPERATION_STATE_SUCCEEDED, pivot_revision=42)


def test_they_are_listed(server: FakeServer, trilock: Trilock) -> None:
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[RUNNING]))

    run = trilock("operations", "list", "delay", "--active", "--limit=5")

    line = run.out.splitlines()[1]
    assert line.split()[:6] == [ID, "PROMOTE", "delay@production", "2", "RUNNING", "bob"]
    assert server.requests("OperationService.ListOperations") == [
        ListOperationsRequest(alias=ALIAS, active_only=True, page_size=5)
    ]
    assert trilock("operations", "list", "-o", "json").json[0]["state"] == "RUNNING"


def test_one_is_shown_step_by_step_with_what_it_waits_for(
    server: FakeServer, trilock: Trilock
) -> None:
    stuck = operation(
        OperationState.OPERATION_STATE_CONVERGING,
        pivot_revision=42,
        converged=False,
        steps=(("deploy_features", "DONE"),),
        error=OperationError(reason="NOT_READY", message="not ready"),
    )
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=stuck))

    lines = trilock("operations", "show", ID).out.splitlines()

    assert lines[0] == f"{OPERATION}  PROMOTE CONVERGING"
    assert lines[1] == "  alias    delay@production, bundle 2"
    assert lines[2].endswith(" by bob: because")
    assert lines[3:] == [
        "  switched at revision 42",
        "  error    NOT_READY: not ready",
        "  DONE     deploy_features  deploy_features it",
        "  FOLLOWS  model_alias",
        "  waits for model_alias: no answer within 2 s",
    ]
    assert server.requests("OperationService.GetOperation") == [GetOperationRequest(name=OPERATION)]


def test_one_is_waited_for(server: FakeServer, trilock: Trilock) -> None:
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=RUNNING))
    server.answer("OperationService.WaitOperation", waited(SUCCEEDED, version=2))

    run = trilock("operations", "wait", OPERATION)

    assert run.code == 0
    assert run.out.startswith(f"{OPERATION} SUCCEEDED: switched in ")


def test_what_was_over_before_the_wait_has_the_times_it_happened_at(
    server: FakeServer, trilock: Trilock
) -> None:
    ended = operation(
        OperationState.OPERATION_STATE_SUCCEEDED,
        kind="ROLL_BACK",
        pivot_revision=42,
        steps=(("hand_over_sink", "DONE"), ("switch_live", "DONE")),
    )
    ended.steps[
        1
    ].title = (
        "switch every reader of models/delay/aliases/production back to models/delay/bundles/1"
    )
    ended.create_time.FromJsonString("2013-06-01T12:00:00Z")
    ended.steps[0].end_time.FromJsonString("2013-06-01T12:00:01Z")
    ended.steps[1].end_time.FromJsonString("2013-06-01T12:00:02.500Z")
    ended.end_time.FromJsonString("2013-06-01T12:00:06Z")
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=ended))

    run = trilock("operations", "wait", OPERATION)

    assert run.err.splitlines() == [
        "    1.0 s  done      hand_over_sink it",
        "    2.5 s  switched  every reader of delay@production back to bundle 1, at revision 42",
        "    6.0 s  agrees    model_alias",
    ]
    assert run.out == (
        f"{OPERATION} SUCCEEDED: switched in 2.50 s, every plane agrees after 6.0 s\n"
    )


def test_waiting_for_one_that_was_taken_back_is_no_success(
    server: FakeServer, trilock: Trilock
) -> None:
    error = OperationError(reason="FOREIGN_EDIT", message="somebody moved it")
    ended = operation(OperationState.OPERATION_STATE_COMPENSATED, error=error)
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=ended))

    assert trilock("operations", "wait", ID).code == 3


def test_one_is_cancelled(server: FakeServer, trilock: Trilock) -> None:
    server.answer("OperationService.CancelOperation", CancelOperationResponse(operation=RUNNING))

    run = trilock("operations", "cancel", ID, "--reason", "wrong bundle")

    assert (run.code, run.err) == (
        0,
        f"{OPERATION} turns back: trilock operations wait {ID}\n",
    )
    assert server.requests("OperationService.CancelOperation") == [
        CancelOperationRequest(name=OPERATION, reason="wrong bundle")
    ]


def test_one_that_waits_is_tried_at_once(server: FakeServer, trilock: Trilock) -> None:
    server.answer("OperationService.RetryOperation", RetryOperationResponse(operation=RUNNING))

    run = trilock("operations", "retry", ID)

    assert (run.code, run.err) == (
        0,
        f"{OPERATION} tries again now: trilock operations wait {ID}\n",
    )
    assert server.requests("OperationService.RetryOperation") == [
        RetryOperationRequest(name=OPERATION)
    ]
    assert trilock("operations", "retry", ID, "-o", "json").json["state"] == "RUNNING"


def test_one_that_waits_says_since_when_and_one_with_a_deadline_says_when(
    server: FakeServer, trilock: Trilock
) -> None:
    waiting = operation(steps=(("fill_features", "STARTED"),))
    waiting.steps[0].error = "no answer"
    waiting.steps[0].start_time.CopyFrom(ago(minutes=3))
    waiting.next_try_time.CopyFrom(ago(seconds=-20.5))
    waiting.deadline_time.CopyFrom(ago(minutes=-5.5))
    server.answer("OperationService.GetOperation", GetOperationResponse(operation=waiting))

    lines = trilock("operations", "show", ID).out.splitlines()

    (deadline,) = (line for line in lines if line.startswith("  deadline"))
    assert deadline.endswith("(in 5 min)")
    assert lines[-1].startswith("  waits for fill_features since 20")
    assert "(3 min ago): no answer; next try 20" in lines[-1]
    assert lines[-1].endswith("(in 20 s)")


def test_one_that_is_not_there(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "OperationService.GetOperation",
        RefusedError(
            code=grpc.StatusCode.NOT_FOUND,
            message=f"{OPERATION} does not exist",
            reason="NOT_FOUND",
        ),
    )

    run = trilock("operations", "show", ID)

    assert (run.code, run.err) == (2, f"error: {OPERATION} does not exist\n")


def test_a_timeout_is_kept_though_the_server_says_nothing(
    server: FakeServer, trilock: Trilock
) -> None:
    def hang(request: object, context: grpc.ServicerContext) -> Iterator[object]:
        context.abort(grpc.StatusCode.UNAVAILABLE, "nobody home")

    server.answer("OperationService.GetOperation", GetOperationResponse(operation=RUNNING))
    server.answer("OperationService.WaitOperation", hang)

    run = trilock("operations", "wait", ID, "--timeout=0.3")

    assert run.code == 4
