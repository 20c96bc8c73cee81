"""From a domain error to what travels: one table of codes, one form of details.

Every error has an ErrorInfo; bad input has a BadRequest with every violation; a
refused bundle has its Report; UNAVAILABLE says when to try again. Details
travel in a trailer, and gRPC drops calls whose trailers are larger than 8 KiB,
so what is long is cut and says how much is missing: the code always arrives.
"""

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from trilock.compat import Report
from trilock.server.domain.errors import (
    AbortedError,
    AlreadyExistsError,
    InvalidError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    RevisionCompactedError,
    TrilockError,
    UnauthenticatedError,
    UnavailableError,
)
from trilock.server.rpc.convert.checks import report_to_proto
from trilock.v1 import report_pb2

DOMAIN: Final = "trilock"

DETAILS: Final = "grpc-status-details-bin"
"""The trailer that carries a google.rpc.Status, as grpcio-status does it."""

CODES: Final[tuple[tuple[type[TrilockError], grpc.StatusCode], ...]] = (
    (InvalidError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (PreconditionError, grpc.StatusCode.FAILED_PRECONDITION),
    (AbortedError, grpc.StatusCode.ABORTED),
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (RevisionCompactedError, grpc.StatusCode.OUT_OF_RANGE),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
)

_RETRY_SECONDS: Final = 1

# As base64 (4/3) and with the message, percent-encoded, this stays under 8 KiB.
_DETAILS_BYTES: Final = 4500
_MESSAGE_BYTES: Final = 500
_VALUE_BYTES: Final = 200


def code_of(error: TrilockError) -> grpc.StatusCode:
    """Return the code that *error* travels as."""
    for branch, code in CODES:
        if isinstance(error, branch):
            return code
    return grpc.StatusCode.INTERNAL


def status_of(error: TrilockError) -> Status:
    """Return what travels of *error*: code, message and details."""
    code = code_of(error)
    status = Status(code=code.value[0], message=_cut(str(error), _MESSAGE_BYTES))
    metadata = {key: _cut(text, _VALUE_BYTES) for key, text in error.metadata.items()}
    _add(status, ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    if code is grpc.StatusCode.UNAVAILABLE:
        _add(status, RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS)))
    room = _DETAILS_BYTES - status.ByteSize()
    if isinstance(error, InvalidRequestError):
        _add(status, _bad_request(error, room=room))
    report = getattr(error, "report", None)
    if isinstance(report, Report):
        _add(status, _report(report, room=room))
    return status


def trailers_of(status: Status) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata that carries *status*."""
    return ((DETAILS, status.SerializeToString()),)


def _add(status: Any, detail: Message) -> None:  # noqa: ANN401 - google.rpc is not typed
    packed = Packed()
    packed.Pack(detail)
    status.details.append(packed)


def _bad_request(error: InvalidRequestError, *, room: int) -> Message:
    def form(count: int) -> Any:  # noqa: ANN401 - google.rpc is not typed
        listed = [
            BadRequest.FieldViolation(field=_cut(field, _VALUE_BYTES), description=_cut(what, 500))
            for field, what in error.violations[:count]
        ]
        if missing := len(error.violations) - count:
            listed.append(BadRequest.FieldViolation(description=f"and {missing} more"))
        return BadRequest(field_violations=listed)

    return _largest(form, count=len(error.violations), room=room)


def _report(report: Report, *, room: int) -> Message:
    whole = report_to_proto(report)
    # What forbids it comes first: it must not be what is cut.
    whole.findings.sort(key=lambda finding: (finding.waived, -finding.severity))

    def form(count: int) -> Message:
        part = report_pb2.Report(verdict=whole.verdict, findings=whole.findings[:count])
        if missing := len(whole.findings) - count:
            part.findings.add(
                severity=report_pb2.SEVERITY_INFO,
                message=f"and {missing} more: `trilock check` lists all of them",
            )
        return part

    return _largest(form, count=len(whole.findings), room=room)


def _largest(form: Callable[[int], Message], *, count: int, room: int) -> Message:
    """Return *form* of as many as fit into *room* bytes."""
    while count and form(count).ByteSize() > room:
        count -= 1
    return form(count)


def _cut(text: str, limit: int) -> str:
    """Return *text*, shortened to at most *limit* bytes of UTF-8."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "..."
