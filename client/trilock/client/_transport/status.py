"""From a failed call to a typed error: no channel, no waiting.

The server sends google.rpc.Status in the trailer `grpc-status-details-bin`:
ErrorInfo always, BadRequest for bad input, and the Report of a refused bundle.
It is decoded here, so that grpcio-status is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import grpc

from trilock.client import errors
from trilock.client.errors import TrilockError, Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.rpc.status_pb2 import Status

M = TypeVar("M", bound="Message")

DOMAIN: Final = "trilock"
"""`domain` of every ErrorInfo that trilock sends."""

_DETAILS_KEY: Final = "grpc-status-details-bin"

_BY_REASON: Final = {
    cls.default_reason: cls
    for cls in (
        errors.IncompatibleError,
        errors.UndecidableError,
        errors.ForeignEditError,
        errors.HeldError,
        errors.NotReadyError,
        errors.NoSafeTargetError,
        errors.PlaneUnavailableError,
        errors.StalePlanError,
        errors.WriterFencedError,
        errors.WrongStateError,
        errors.StaleEtagError,
        errors.BusyError,
        errors.UnauthenticatedError,
        errors.PermissionDeniedError,
        errors.RevisionCompactedError,
        errors.UnavailableError,
    )
}

_BY_CODE: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidError,
    grpc.StatusCode.NOT_FOUND: errors.NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.PreconditionError,
    grpc.StatusCode.ABORTED: errors.AbortedError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDeniedError,
    grpc.StatusCode.OUT_OF_RANGE: errors.RevisionCompactedError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineError,
}


class FailedCall(Protocol):
    """What a blocking and an async `grpc.RpcError` have in common."""

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        ...

    def details(self) -> str | None:
        """Return the status message."""
        ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Return the trailers."""
        ...


def to_error(failed: FailedCall, *, address: str) -> TrilockError:
    """Return the public error for *failed*, a call to the server at *address*."""
    code = failed.code()
    message = failed.details() or code.name
    status = _decode(failed)
    if status is None:
        return _local_error(code, message=message, address=address)
    return _server_error(status, code=code, message=message)


def _decode(failed: FailedCall) -> Status | None:
    # Imported here since most programs never see an error.
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    for key, value in failed.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                return None
    return None


def _server_error(status: Status, *, code: grpc.StatusCode, message: str) -> TrilockError:
    from google.rpc.error_details_pb2 import BadRequest, ErrorInfo  # noqa: PLC0415

    from trilock.v1.report_pb2 import Report  # noqa: PLC0415

    info = _detail(status, into=ErrorInfo()) or ErrorInfo()
    bad = _detail(status, into=BadRequest()) or BadRequest()
    reason = info.reason if info.domain == DOMAIN else ""
    return _BY_REASON.get(reason, _BY_CODE.get(code, TrilockError))(
        status.message or message,
        reason=reason,
        code=code.name,
        metadata=dict(info.metadata),
        violations=[Violation(field=v.field, message=v.description) for v in bad.field_violations],
        report=_detail(status, into=Report()),
    )


def _detail(status: Status, *, into: M) -> M | None:
    """Return the detail of the type of *into*, if the status has one."""
    for packed in status.details:
        if packed.Is(into.DESCRIPTOR):
            packed.Unpack(into)
            return into
    return None


def _local_error(code: grpc.StatusCode, *, message: str, address: str) -> TrilockError:
    """Return the error for a status without details: no trilock server made it."""
    if code is grpc.StatusCode.UNAVAILABLE:
        why = message.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        text = (
            f"no trilock server answers at {address} ({why}); "
            "start one with `trilock serve`, or name another with TRILOCK_SERVER"
        )
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        text = f"the server at {address} did not answer in time; it may still be at work"
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        text = f"the server at {address} does not know this call: is it an older trilock?"
    else:
        text = f"the call to {address} failed: {message}"
    return _BY_CODE.get(code, TrilockError)(text, code=code.name, metadata={"address": address})
