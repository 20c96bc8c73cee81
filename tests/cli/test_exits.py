import grpc
import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from trilock.cli.exits import BY_REASON, Exit, exit_for, exit_for_reason
from trilock.client import errors
from trilock.v1.error_reason_pb2 import ErrorReason

CODES = {
    0: [],
    1: ["INTERNAL", "UNDECIDABLE", "PLANE_UNAVAILABLE", "REVISION_COMPACTED", "UNAVAILABLE"],
    2: ["INVALID_ARGUMENT", "INVALID_NAME", "UNKNOWN_CONNECTION", "NOT_FOUND"],
    3: [
        "ALREADY_EXISTS",
        "REQUEST_ID_REUSED",
        "FAILED_PRECONDITION",
        "FOREIGN_EDIT",
        "HOLD_ACTIVE",
        "NOT_READY",
        "NO_SAFE_TARGET",
        "SINK_UNUSABLE",
        "STALE_PLAN",
        "SCHEMA_OUTDATED",
        "WRONG_STATE",
        "ABORTED",
        "STALE_ETAG",
        "OPERATION_IN_PROGRESS",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "WRITER_FENCED",
    ],
    100: ["INCOMPATIBLE"],
}
EXPECTED = [(reason, code) for code, reasons in CODES.items() for reason in reasons]


def test_every_reason_of_the_api_has_a_code() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118

    assert set(BY_REASON) == names - {"UNSPECIFIED"}


@pytest.mark.parametrize(("reason", "code"), EXPECTED)
def test_the_code_of_each_reason(*, reason: str, code: int) -> None:
    assert exit_for_reason(reason) == code


@pytest.mark.parametrize(("reason", "code"), EXPECTED)
def test_a_command_exits_with_it_in_one_line(
    *, reason: str, code: int, server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ReleaseService.Finalize",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION, message=f"because {reason}", reason=reason
        ),
    )

    run = trilock("finalize", "delay")

    assert (run.code, run.out, run.err) == (code, "", f"error: because {reason}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PreconditionError("", reason="INVENTED_LATER"), Exit.FORBIDDEN),
        (errors.InvalidError("", reason="INVENTED_LATER"), Exit.USAGE),
        (errors.TrilockError("", reason="INVENTED_LATER"), Exit.ERROR),
        (errors.DeadlineError(""), Exit.ERROR),
    ],
)
def test_a_reason_of_a_newer_server_gets_the_code_of_its_branch(
    error: errors.TrilockError, code: Exit
) -> None:
    assert exit_for(error) is code


def test_nobody_there_is_one_line_that_says_where_and_what_to_do() -> None:
    with FakeServer() as server:
        address = server.address

    run = Trilock(address)("status")

    assert (run.code, run.out) == (1, "")
    assert run.err.startswith(f"error: no trilock server answers at {address} (")
    assert "trilock serve" in run.err
    assert run.err.count("\n") == 1


def test_every_violation_of_bad_input_is_told(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "ReleaseService.Finalize",
        RefusedError(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            message="2 fields are wrong",
            reason="INVALID_ARGUMENT",
            violations=[("alias", "is malformed"), ("reason", "is too long")],
        ),
    )

    run = trilock("finalize", "delay")

    assert run.code == 2
    assert run.err == "error: 2 fields are wrong\n  alias: is malformed\n  reason: is too long\n"


def test_what_the_server_says_cannot_steer_the_terminal(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ReleaseService.Finalize",
        RefusedError(
            code=grpc.StatusCode.NOT_FOUND, message="no \x1b[2J[bold]x\u202e", reason="NOT_FOUND"
        ),
    )

    assert trilock("finalize", "delay").err == "error: no \\x1b[2J[bold]x\\u202e\n"
