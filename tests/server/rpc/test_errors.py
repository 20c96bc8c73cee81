"""The table of codes, and what travels with an error."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from trilock.compat import Category, Finding, Report, Severity
from trilock.server.domain import errors
from trilock.server.rpc.errors import CODES, code_of, status_of, trailers_of
from trilock.v1 import report_pb2
from trilock.v1.error_reason_pb2 import ErrorReason


def subclasses(cls: type[errors.TrilockError]) -> Iterator[type[errors.TrilockError]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


EVERY = [
    cls
    for cls in subclasses(errors.TrilockError)
    if cls.__module__ == errors.TrilockError.__module__
]


def detail(status: Any, into: Any) -> Any:
    for packed in status.details:
        if packed.Is(into.DESCRIPTOR):
            packed.Unpack(into)
            return into
    return None


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
def test_every_error_has_one_code(cls: type[errors.TrilockError]) -> None:
    found = [code for branch, code in CODES if issubclass(cls, branch)]

    # AccessError is a branch only: its two leaves have codes of their own.
    assert len(found) == (0 if cls is errors.AccessError else 1)


def test_the_reasons_are_those_of_the_api() -> None:
    api = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name}

    ours = {cls.reason for cls in EVERY} | {errors.TrilockError.reason}

    # WRITER_FENCED is raised in writers, never sent.
    assert ours == api - {"UNSPECIFIED", "WRITER_FENCED"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidNameError(kind="k", value="v", pattern="p"), "INVALID_ARGUMENT"),
        (errors.NotFoundError("x"), "NOT_FOUND"),
        (errors.RequestIdReusedError("x"), "ALREADY_EXISTS"),
        (errors.PlaneUnavailableError(plane="p", what="w"), "FAILED_PRECONDITION"),
        (errors.StaleEtagError(resource="r", expected="1", found="2"), "ABORTED"),
        (errors.UnauthenticatedError("w"), "UNAUTHENTICATED"),
        (
            errors.PermissionDeniedError(principal="p", roles=[], needed="n"),
            "PERMISSION_DENIED",
        ),
        (errors.RevisionCompactedError(wanted=1, oldest=2), "OUT_OF_RANGE"),
        (errors.UnavailableError("w"), "UNAVAILABLE"),
        (errors.TrilockError("w"), "INTERNAL"),
    ],
)
def test_codes(error: errors.TrilockError, code: str) -> None:
    assert code_of(error) is grpc.StatusCode[code]
    assert status_of(error).code == grpc.StatusCode[code].value[0]


def test_every_error_has_its_info() -> None:
    status = status_of(errors.StaleEtagError(resource="models/a", expected='"1"', found='"2"'))

    info = detail(status, ErrorInfo())
    assert (info.reason, info.domain) == ("STALE_ETAG", "trilock")
    assert dict(info.metadata) == {"resource": "models/a", "expected": '"1"', "found": '"2"'}
    assert status.message == 'models/a has etag "2", not "1": it changed since you looked'


def test_bad_input_lists_every_violation() -> None:
    violations = [("alias", "is required"), ("reason", "has control characters")]

    bad = detail(status_of(errors.InvalidRequestError(violations)), BadRequest())

    assert [(v.field, v.description) for v in bad.field_violations] == violations


def test_unavailable_says_when_to_try_again() -> None:
    retry = detail(status_of(errors.UnavailableError("busy")), RetryInfo())

    assert retry.retry_delay.seconds == 1
    assert detail(status_of(errors.NotFoundError("x")), RetryInfo()) is None


def finding(number: int, *, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(
        path=f"feature_{number}",
        rule="FIT002",
        category=Category.FIT,
        severity=severity,
        expected="double",
        found="string",
        message=f"the model reads 'feature_{number}' as double, it is string",
        remedy="train again",
    )


def test_a_refused_bundle_comes_with_its_report() -> None:
    report = Report.of([finding(1), finding(2, severity=Severity.WARNING)])

    status = status_of(errors.IncompatibleError(subject="models/a/bundles/1", report=report))

    sent = detail(status, report_pb2.Report())
    assert sent.verdict == report_pb2.VERDICT_INCOMPATIBLE
    assert [(item.path, item.severity) for item in sent.findings] == [
        ("feature_1", report_pb2.SEVERITY_ERROR),
        ("feature_2", report_pb2.SEVERITY_WARNING),
    ]
    assert sent.findings[0].category == "fit"


def test_what_is_too_long_for_a_trailer_is_cut_and_says_so() -> None:
    report = Report.of(
        [finding(number) for number in range(300)]
        + [finding(number, severity=Severity.WARNING) for number in range(300, 400)]
    )
    status = status_of(errors.IncompatibleError(subject="s", report=report))
    violations = [(f"aliases[{number}]", "is required " * 5) for number in range(500)]
    bad_status = status_of(errors.InvalidRequestError(violations))

    sent = detail(status, report_pb2.Report())
    *shown, last = sent.findings
    assert {item.severity for item in shown} == {report_pb2.SEVERITY_ERROR}
    assert last.message == f"and {400 - len(shown)} more: `trilock check` lists all of them"
    *listed, more = detail(bad_status, BadRequest()).field_violations
    assert more.description == f"and {500 - len(listed)} more"
    for large in (status, bad_status):
        ((_, trailer),) = trailers_of(large)
        assert len(trailer) < 5000
        assert Status.FromString(trailer) == large


def test_a_cut_message_is_still_text() -> None:
    message = status_of(errors.UnavailableError("ä" * 1000)).message

    assert message == "ä" * 248 + "..."
