from __future__ import annotations  # an enum's ValueType is in the stubs only

import uuid

import grpc
import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.releases import (
    ALIAS,
    INCOMPATIBLE,
    OPERATION,
    UNDECIDABLE,
    operation,
    waited,
)
from trilock.v1.bundle_pb2 import Bundle
from trilock.v1.bundle_service_pb2 import BundleHalf, DeriveBundleRequest, DeriveBundleResponse
from trilock.v1.check_service_pb2 import CheckResponse
from trilock.v1.operation_pb2 import OperationError, OperationState
from trilock.v1.release_service_pb2 import FinalizeResponse, PromoteResponse

STEPS = (("deploy_features", "DONE"), ("switch_live", "DONE"))
RUNNING = operation(steps=(("deploy_features", "STARTED"),))
SWITCHED = operation(
    OperationState.OPERATION_STATE_CONVERGING,
    pivot_revision=42,
    converged=False,
    steps=STEPS,
)
SUCCEEDED = operation(
    OperationState.OPERATION_STATE_SUCCEEDED,
    pivot_revision=42,
    steps=STEPS,
)


def refused(reason: str, message: str) -> PromoteResponse:
    return PromoteResponse(
        operation=operation(
            OperationState.OPERATION_STATE_COMPENSATED,
            error=OperationError(reason=reason, message=message),
        )
    )


def test_a_step_that_waits_has_not_failed(server: FakeServer, trilock: Trilock) -> None:
    waits, failed = (operation(steps=(("swap_features", "STARTED"),)) for _ in range(2))
    waits.steps[0].error, failed.steps[0].error = "delay is being fed", "no answer"
    failed.steps[0].attempts = 1
    server.answer("ReleaseService.Promote", PromoteResponse(operation=waits))
    server.answer(
        "OperationService.WaitOperation",
        waited(waits, version=1),
        waited(failed, version=2),
        waited(SUCCEEDED, version=3),
    )

    run = trilock("promote", "delay/2")

    told = [line.split(" s  ")[1] for line in run.err.splitlines() if " s  " in line]
    assert told[:2] == [
        "waits     swap_features it: delay is being fed",
        "failed    swap_features it: no answer",
    ]


def test_it_waits_and_tells_every_step_once(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=RUNNING))
    server.answer(
        "OperationService.WaitOperation",
        waited(RUNNING, version=1),
        waited(SWITCHED, version=2),
        waited(SWITCHED, version=3),
        waited(SUCCEEDED, version=4),
    )

    run = trilock("promote", "delay/2", "--reason", "better")

    assert run.code == 0
    assert run.out.startswith("bundle 2 is live on delay@production: switched in 0.")
    told = [line.split(" s  ")[1] for line in run.err.splitlines() if " s  " in line]
    assert told == [
        "done      deploy_features it",
        "switched  switch_live it, at revision 42",
        "waits     model_alias: no answer within 2 s",
        "agrees    model_alias",
    ]
    assert run.err.splitlines()[-1] == (
        "next: trilock finalize delay@production, or trilock rollback delay@production"
    )
    seen = [request.seen for request in server.requests("OperationService.WaitOperation")]
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("half", "sent", "told"),
    [
        (
            "model",
            BundleHalf.BUNDLE_HALF_MODEL,
            "the model of bundle 2 with the features of what is live on delay@production",
        ),
        (
            "features",
            BundleHalf.BUNDLE_HALF_FEATURES,
            "the features of bundle 2 with the model of what is live on delay@production",
        ),
    ],
)
def test_only_one_half_is_first_recorded_as_a_bundle(
    server: FakeServer, trilock: Trilock, half: str, sent: BundleHalf.ValueType, told: str
) -> None:
    derived = Bundle(name="models/delay/bundles/9")
    server.answer("BundleService.DeriveBundle", DeriveBundleResponse(bundle=derived))
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SUCCEEDED))

    run = trilock("promote", "2", "--only", half, "--accept-window", "at night")

    assert run.code == 0
    assert run.err.startswith(f"bundle 9 is {told}\n")
    assert server.requests("BundleService.DeriveBundle") == [
        DeriveBundleRequest(alias=ALIAS, bundle="models/delay/bundles/2", only=sent)
    ]
    (request,) = server.requests("ReleaseService.Promote")
    assert (request.bundle, request.accept_window) == ("models/delay/bundles/9", "at night")


def test_a_deadline_is_sent(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SUCCEEDED))

    assert trilock("promote", "2", "--deadline", "90.5").code == 0
    assert trilock("promote", "2").code == 0
    assert trilock("promote", "2", "--deadline", "0").code == 2
    first, second = server.requests("ReleaseService.Promote")
    assert first.deadline.ToMilliseconds() == 90_500
    assert not second.HasField("deadline")


def test_everything_asked_for_is_sent(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SUCCEEDED))

    trilock(
        "promote",
        "2",
        "@canary",
        "--features-from=2013-01-01",
        "--features-to=2013-02-01T00:00:00Z",
        "--plan=p1",
        "--reason=better",
        "--accept-unready=known",
    )

    (request,) = server.requests("ReleaseService.Promote")
    assert request.alias == "models/delay/aliases/canary"
    assert request.bundle == "models/delay/bundles/2"
    assert request.feature_window.start_time.ToJsonString() == "2013-01-01T00:00:00Z"
    assert request.feature_window.end_time.ToJsonString() == "2013-02-01T00:00:00Z"
    assert (request.plan, request.reason, request.accept_unready) == ("p1", "better", "known")
    assert uuid.UUID(request.request_id).version == 4
    assert not request.validate_only


def test_a_dry_run_starts_nothing(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse())

    run = trilock("promote", "delay/2", "--dry-run")

    assert (run.code, run.err) == (0, "bundle 2 can be promoted to delay@production\n")
    assert server.requests("ReleaseService.Promote")[0].validate_only


def test_a_refusal_names_every_finding_and_exits_with_100(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ReleaseService.Promote",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            message="bundle 2 is incompatible",
            reason="INCOMPATIBLE",
            details=[INCOMPATIBLE],
        ),
    )

    run = trilock("promote", "delay/2")

    assert run.code == 100
    assert run.out == (
        "bundle 2 on delay@production: incompatible\n"
        "1 error:\n"
        "  FIT002  temp: the model reads 'temp' as double, it is string\n"
        "      mend: train on the new type\n"
        "1 warning:\n"
        "  SEM001  wind: 'wind' is made in another way\n"
    )
    assert run.err == "error: bundle 2 is incompatible\n"


def test_a_refusal_as_json_has_the_report(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "ReleaseService.Promote",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            message="cannot be judged",
            reason="UNDECIDABLE",
            details=[UNDECIDABLE],
        ),
    )

    run = trilock("promote", "delay/2", "-o", "json")

    assert run.code == 1
    assert run.json == {
        "subject": "bundle 2 on delay@production",
        "verdict": "UNDECIDABLE",
        "findings": [],
    }


def test_when_the_operation_finds_it_incompatible_every_finding_is_named_too(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer("ReleaseService.Promote", refused("INCOMPATIBLE", "bundle 2 is incompatible"))
    server.answer("CheckService.Check", CheckResponse(report=INCOMPATIBLE))

    run = trilock("promote", "delay/2")

    assert run.code == 100
    assert "FIT002  temp" in run.out
    assert run.err == ("error: taken back, everything is as before: bundle 2 is incompatible\n")
    (request,) = server.requests("CheckService.Check")
    assert (request.alias, request.bundle) == (ALIAS, "models/delay/bundles/2")


@pytest.mark.parametrize(
    ("reason", "code"), [("FOREIGN_EDIT", 3), ("NOT_READY", 3), ("PLANE_UNAVAILABLE", 1)]
)
def test_an_operation_that_was_taken_back_exits_by_its_reason(
    *, reason: str, code: int, server: FakeServer, trilock: Trilock
) -> None:
    server.answer("ReleaseService.Promote", refused(reason, "no"))

    run = trilock("promote", "delay/2")

    assert (run.code, run.out) == (code, "")
    assert run.err == "error: taken back, everything is as before: no\n"


def test_an_operation_that_somebody_cancelled_is_no_success(
    server: FakeServer, trilock: Trilock
) -> None:
    cancelled = operation(OperationState.OPERATION_STATE_COMPENSATED)
    server.answer("ReleaseService.Promote", PromoteResponse(operation=cancelled))

    run = trilock("promote", "delay/2")

    assert run.code == 3
    assert run.err == "error: taken back, everything is as before: cancelled\n"


def test_an_operation_that_was_superseded_is_no_success(
    server: FakeServer, trilock: Trilock
) -> None:
    superseded = operation(OperationState.OPERATION_STATE_SUPERSEDED, pivot_revision=42)
    server.answer("ReleaseService.Promote", PromoteResponse(operation=superseded))

    run = trilock("promote", "delay/2")

    assert run.code == 3
    assert "was superseded by a newer change of the alias: trilock history" in run.err


def test_a_timeout_exits_with_4_and_says_what_is_waited_for(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SWITCHED))

    run = trilock("promote", "delay/2", "--timeout=0")

    assert (run.code, run.out) == (4, "")
    last_but_one, last = run.err.splitlines()[-2:]
    assert last_but_one == (
        f"error: every reader has switched, but {OPERATION} is still CONVERGING after 0 s; "
        "it goes on: trilock operations wait 0123456789abcdef0123456789abcdef"
    )
    assert last == "  waits for model_alias: no answer within 2 s"


def test_a_timeout_as_json_has_the_operation(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SWITCHED))

    run = trilock("promote", "delay/2", "--timeout=0", "-o", "json")

    assert run.code == 4
    assert run.json["operation"]["state"] == "CONVERGING"


def test_nobody_need_wait(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=RUNNING))

    run = trilock("promote", "delay/2", "--no-wait")

    assert (run.code, run.out) == (0, f"{OPERATION}\n")
    assert run.err == "it goes on: trilock operations wait 0123456789abcdef0123456789abcdef\n"


def test_a_server_that_goes_away_and_comes_back_is_waited_for(
    server: FakeServer, trilock: Trilock
) -> None:
    gone = RefusedError(
        code=grpc.StatusCode.UNAVAILABLE, message="the server stops", reason="UNAVAILABLE"
    )
    server.answer("ReleaseService.Promote", PromoteResponse(operation=RUNNING))
    server.answer("OperationService.WaitOperation", gone, gone, gone, waited(SUCCEEDED, version=9))

    run = trilock("promote", "delay/2")

    assert run.code == 0
    assert run.err.count("the server stops\n") == 1
    assert "the operation goes on when the server is back; waiting" in run.err


def test_as_json_it_says_how_it_ended_and_when(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SUCCEEDED))

    run = trilock("promote", "delay/2", "-o", "json")

    assert run.json["operation"]["state"] == "SUCCEEDED"
    assert run.json["operation"]["pivot_revision"] == 42
    assert 0 <= run.json["switched_seconds"] <= run.json["total_seconds"]


def test_finalize(server: FakeServer, trilock: Trilock) -> None:
    final = operation(OperationState.OPERATION_STATE_SUCCEEDED, kind="FINALIZE", pivot_revision=43)
    server.answer("ReleaseService.Finalize", FinalizeResponse(operation=final))

    run = trilock("finalize", "--reason", "it is good")

    assert run.code == 0
    assert run.out.startswith("bundle 2 is final on delay@production: done after ")
    assert "switched" not in run.err
    (request,) = server.requests("ReleaseService.Finalize")
    assert (request.alias, request.reason) == (ALIAS, "it is good")
    assert uuid.UUID(request.request_id).version == 4


def test_finalize_may_only_be_tried(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Finalize", FinalizeResponse())

    run = trilock("finalize", "--dry-run")

    assert (run.code, run.err) == (0, "delay@production can be finalized\n")


def test_what_is_in_the_way_is_named_with_how_to_look_at_it(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ReleaseService.Promote",
        RefusedError(
            code=grpc.StatusCode.ABORTED,
            message=f"{ALIAS} is locked by {OPERATION}",
            reason="OPERATION_IN_PROGRESS",
            metadata={"scope": ALIAS, "operation": OPERATION},
        ),
    )

    run = trilock("promote", "delay/2")

    assert run.code == 3
    assert run.err.splitlines() == [
        f"error: {ALIAS} is locked by {OPERATION}",
        "  look at it:     trilock operations show 0123456789abcdef0123456789abcdef",
        "  wait for it:    trilock operations wait 0123456789abcdef0123456789abcdef",
    ]
