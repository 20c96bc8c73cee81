"""What can go wrong in a call, as types to catch.

TrilockError
├── InvalidError             the request is wrong; `violations` lists every field
├── NotFoundError            a named thing does not exist
├── AlreadyExistsError       a name or a request id is taken by something else
├── PreconditionError        the state of the world forbids it
│   ├── IncompatibleError    `report` says why
│   ├── UndecidableError     `report` says what is missing
│   ├── ForeignEditError
│   ├── HeldError
│   ├── NotReadyError
│   ├── NoSafeTargetError
│   ├── PlaneUnavailableError
│   ├── StalePlanError
│   ├── WriterFencedError
│   └── WrongStateError
├── AbortedError             lost a race; look again and decide
│   ├── StaleEtagError
│   └── BusyError
├── AccessError
│   ├── UnauthenticatedError
│   └── PermissionDeniedError
├── RevisionCompactedError
├── UnavailableError         nobody answered, or try again; see the message
│   └── DeadlineError        what became of the call is unknown
├── ResolverError            raised by `Resolver` and `ModelSlot` themselves, without a call
│   ├── UnresolvedError
│   └── StaleError
└── ContractError            what was loaded is not what the bundle names

`reason` is one of error_reason.proto, without its prefix, and is what programs
branch on beyond the types; `metadata` holds every value in the message. A
reason that this version does not know becomes the branch of its status code,
so that a newer server never breaks a client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from trilock.v1.report_pb2 import Report

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One field of a request that is wrong."""

    field: str
    """Path of the field in the request message."""
    message: str
    """What is wrong with it."""


class TrilockError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: One line for a person.
        reason: One of error_reason.proto, without its prefix.
        code: Name of the gRPC status code, e.g. `NOT_FOUND`; empty if no call was made.
        metadata: Every value that is in the message.
        violations: Every field that is wrong, for bad input.
        report: The findings, for a refused bundle.
    """

    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        metadata: Mapping[str, str] = _NOTHING,
        violations: Sequence[Violation] = (),
        report: Report | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.code = code
        self.metadata = metadata
        self.violations = tuple(violations)
        self.report = report


class InvalidError(TrilockError):
    """The request is wrong, whatever the state of the world."""

    default_reason = "INVALID_ARGUMENT"


class NotFoundError(TrilockError):
    """A named thing does not exist."""

    default_reason = "NOT_FOUND"


class AlreadyExistsError(TrilockError):
    """The name, or the request id, is taken by something with other content."""

    default_reason = "ALREADY_EXISTS"


class PreconditionError(TrilockError):
    """The state of the world forbids it."""

    default_reason = "FAILED_PRECONDITION"


class IncompatibleError(PreconditionError):
    """The check found what must not be promoted; `report` has every finding."""

    default_reason = "INCOMPATIBLE"


class UndecidableError(PreconditionError):
    """Evidence that a verdict needs is missing; `report` says which."""

    default_reason = "UNDECIDABLE"


class ForeignEditError(PreconditionError):
    """Somebody else changed what was about to be changed."""

    default_reason = "FOREIGN_EDIT"


class HeldError(PreconditionError):
    """A recorded hold forbids promoting this."""

    default_reason = "HOLD_ACTIVE"


class NotReadyError(PreconditionError):
    """Something that a later step relies on is not there or not intact."""

    default_reason = "NOT_READY"


class NoSafeTargetError(PreconditionError):
    """There is no release to go back to."""

    default_reason = "NO_SAFE_TARGET"


class PlaneUnavailableError(PreconditionError):
    """An outside system does not answer trilock."""

    default_reason = "PLANE_UNAVAILABLE"


class StalePlanError(PreconditionError):
    """The plan was made for a world that is no longer so."""

    default_reason = "STALE_PLAN"


class WriterFencedError(PreconditionError):
    """The writer's release was rolled back or superseded; nothing was written. Do not retry."""

    default_reason = "WRITER_FENCED"


class WrongStateError(PreconditionError):
    """The thing is in a state in which this verb means nothing."""

    default_reason = "WRONG_STATE"


class AbortedError(TrilockError):
    """Lost a race: look again and decide."""

    default_reason = "ABORTED"


class StaleEtagError(AbortedError):
    """It changed since the caller looked."""

    default_reason = "STALE_ETAG"


class BusyError(AbortedError):
    """Another operation holds the lock; `metadata["operation"]` names it."""

    default_reason = "OPERATION_IN_PROGRESS"


class AccessError(TrilockError):
    """The caller may not do this."""

    default_reason = "PERMISSION_DENIED"


class UnauthenticatedError(AccessError):
    """No token, or one that is unknown or revoked."""

    default_reason = "UNAUTHENTICATED"


class PermissionDeniedError(AccessError):
    """The principal has no role that allows the call."""

    default_reason = "PERMISSION_DENIED"


class RevisionCompactedError(TrilockError):
    """The revision is no longer kept: resolve, and watch anew."""

    default_reason = "REVISION_COMPACTED"


class UnavailableError(TrilockError):
    """No server answered, or it asked to be tried again. Reads may be repeated as they are."""

    default_reason = "UNAVAILABLE"


class DeadlineError(UnavailableError):
    """No answer in time. Whether the call took effect is unknown: repeat its request id."""


class ResolverError(TrilockError):
    """A `Resolver` has nothing that it may hand out."""

    default_reason = "UNAVAILABLE"


class UnresolvedError(ResolverError):
    """The alias was never resolved: not by the server, and not by an earlier process."""


class StaleError(ResolverError):
    """The last known live bundle is older than `max_stale` allows."""


class ContractError(TrilockError):
    """What was loaded, or what the store delivers, is not what the bundle was recorded with."""

    default_reason = "INCOMPATIBLE"
