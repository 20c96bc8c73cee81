"""What can go wrong, as types with fields.

TrilockError
├── InvalidError             the request is wrong, whatever the state of the world
│   ├── InvalidNameError
│   ├── InvalidRequestError
│   └── UnknownConnectionError
├── NotFoundError            a named thing does not exist
├── AlreadyExistsError       a name or a request id is taken by something else
│   └── RequestIdReusedError
├── PreconditionError        the state of the world forbids it
│   ├── VerdictError
│   │   ├── IncompatibleError
│   │   └── UndecidableError
│   ├── FleetRefusedError
│   ├── ForeignEditError
│   ├── HeldError
│   ├── NotReadyError
│   ├── NoSafeTargetError
│   ├── PlaneUnavailableError
│   ├── SinkError
│   ├── StalePlanError
│   ├── WindowNotAcceptedError
│   ├── SchemaOutdatedError
│   └── WrongStateError
├── AbortedError             lost a race; look again and decide
│   ├── StaleEtagError
│   └── BusyError
├── AccessError
│   ├── UnauthenticatedError
│   └── PermissionDeniedError
├── RevisionCompactedError
└── UnavailableError         try again, nothing was changed
    └── WaitingError

`reason` is public API (error_reason.proto has the list); renaming one is a
breaking change. `metadata` holds every value that appears in the message.
Raise a leaf, catch a branch.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from trilock.compat import Category, Finding, Report, Severity


class TrilockError(Exception):
    """Base of every error trilock raises on purpose."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}


class InvalidError(TrilockError):
    """The request is wrong, whatever the state of the world."""

    reason = "INVALID_ARGUMENT"


class InvalidNameError(InvalidError):
    """A name is not of the form it must have."""

    reason = "INVALID_NAME"

    def __init__(self, *, kind: str, value: str, pattern: str) -> None:
        super().__init__(
            f"{value!r} is not a valid {kind}: it must match {pattern}", kind=kind, value=value
        )


class InvalidRequestError(InvalidError):
    """One or more fields of a request are wrong; all of them are listed."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {what}" for field, what in violations))
        self.violations = tuple(violations)


class UnknownConnectionError(InvalidError):
    """A connection or a model is not in the server's settings."""

    reason = "UNKNOWN_CONNECTION"

    def __init__(self, *, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no {kind} {name!r} in the server's settings; there is: {', '.join(known) or 'none'}",
            kind=kind,
            name=name,
        )


class NotFoundError(TrilockError):
    """A named thing does not exist."""

    reason = "NOT_FOUND"

    def __init__(self, resource: str, *, hint: str = "") -> None:
        super().__init__(
            f"{resource} does not exist{f'; {hint}' if hint else ''}", resource=resource
        )
        self.resource = resource


class AlreadyExistsError(TrilockError):
    """The name is taken by something with other content."""

    reason = "ALREADY_EXISTS"

    def __init__(self, resource: str, *, what: str) -> None:
        super().__init__(f"{resource} exists already, {what}", resource=resource)


class RequestIdReusedError(AlreadyExistsError):
    """The request id was used for a request with other content."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(f"request {request_id!r}", what="with other content; use a new request_id")


class PreconditionError(TrilockError):
    """The state of the world forbids it."""

    reason = "FAILED_PRECONDITION"


class VerdictError(PreconditionError):
    """A check did not say yes. Its whole report comes with the error."""

    def __init__(self, *, subject: str, report: Report) -> None:
        findings = [item for item in report.findings if item.severity is Severity.ERROR]
        first = findings[0].message if findings else "no finding"
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"{subject} is {report.verdict}: {first}{more}", subject=subject)
        self.report = report


class IncompatibleError(VerdictError):
    """The check found what must not be promoted."""

    reason = "INCOMPATIBLE"


class UndecidableError(VerdictError):
    """Evidence that a verdict needs is missing."""

    reason = "UNDECIDABLE"

    @classmethod
    def unreadable(cls, subject: str, *, place: str, problem: str, remedy: str) -> Self:
        """Return the error for evidence that is there and cannot be read.

        Args:
            subject: Whose it is.
            place: A file, or a path into one.
            problem: What is wrong there.
            remedy: How to mend it.
        """
        finding = Finding(
            rule="EVI001",
            path=place,
            category=Category.EVIDENCE,
            severity=Severity.ERROR,
            expected="evidence that can be read",
            found=problem,
            message=f"a verdict needs all evidence to be readable, but {place}: {problem}",
            remedy=remedy,
        )
        return cls(subject=subject, report=Report.of([finding]))


class ForeignEditError(PreconditionError):
    """Somebody else changed what was about to be changed."""

    reason = "FOREIGN_EDIT"

    def __init__(self, *, resource: str, expected: object, found: object) -> None:
        super().__init__(
            f"{resource} is {found!r}, not {expected!r}: someone else changed it",
            resource=resource,
            expected=expected,
            found=found,
        )


class FleetRefusedError(PreconditionError):
    """More than half of the watchers refused what is live, or the canary."""

    reason = "FLEET_REFUSED"

    def __init__(
        self, *, alias: str, refused: int, watchers: int, why: str, what: str = "what is live"
    ) -> None:
        super().__init__(
            f"{refused} of {watchers} watchers refused {what} on {alias}: {why}; mend it, or "
            "`trilock rollback`",
            alias=alias,
            refused=refused,
            watchers=watchers,
        )


class HeldError(PreconditionError):
    """A recorded hold forbids promoting this."""

    reason = "HOLD_ACTIVE"

    def __init__(self, *, resource: str, why: str, who: str) -> None:
        super().__init__(
            f"{resource} is on hold since {who} recorded: {why}; "
            f"lift it with `trilock unhold {resource} --reason WHY`",
            resource=resource,
            why=why,
            who=who,
        )


class NotReadyError(PreconditionError):
    """Something that a later step relies on is not there or not intact."""

    reason = "NOT_READY"

    def __init__(self, *, resource: str, problems: Sequence[str]) -> None:
        super().__init__(f"{resource} is not ready: {'; '.join(problems)}", resource=resource)
        self.problems = tuple(problems)


class NoSafeTargetError(PreconditionError):
    """There is no release to go back to."""

    reason = "NO_SAFE_TARGET"

    def __init__(self, *, alias: str, reasons: Sequence[str]) -> None:
        why = "; ".join(reasons) or "it never had another release"
        super().__init__(
            f"nothing to roll {alias} back to: {why}", alias=alias, reasons="\n".join(reasons)
        )
        self.reasons = tuple(reasons)


class PlaneUnavailableError(PreconditionError):
    """An outside system does not answer. What was asked of it is unknown, not failed."""

    reason = "PLANE_UNAVAILABLE"

    def __init__(self, *, plane: str, what: str) -> None:
        super().__init__(f"{plane} does not answer: {what}", plane=plane)
        self.plane = plane


class SinkError(PreconditionError):
    """A sink cannot be used as asked; the table is as it was."""

    reason = "SINK_UNUSABLE"

    def __init__(self, *, sink: str, problems: Sequence[str]) -> None:
        super().__init__(f"{sink}: {'; '.join(problems)}", sink=sink)
        self.problems = tuple(problems)


class CannotUndoError(SinkError):
    """What an epoch wrote to a table stays there: nothing tells, for good, which rows they are."""


class StalePlanError(PreconditionError):
    """The plan was made for a world that is no longer so."""

    reason = "STALE_PLAN"

    def __init__(self, *, plan: str, now: str) -> None:
        super().__init__(f"plan {plan} is stale: today's plan is {now}; review it again", plan=plan)


class SchemaOutdatedError(PreconditionError):
    """The database's schema is not the one this program knows."""

    reason = "SCHEMA_OUTDATED"

    def __init__(self, *, found: str | None, wanted: str, is_newer: bool = False) -> None:
        todo = (
            "a newer trilock made it: run that one, or go back to a copy from before"
            if is_newer
            else "run `trilock migrate`"
        )
        super().__init__(
            f"the database has schema {found or 'none'}, this trilock needs {wanted}; {todo}",
            found=found,
            wanted=wanted,
        )


class WindowNotAcceptedError(PreconditionError):
    """In place, readers would be served for a while what does not go together."""

    reason = "WINDOW_NOT_ACCEPTED"

    def __init__(self, *, alias: str, model: str, features: str, why: str) -> None:
        super().__init__(
            f"in between, readers of {alias} would be served the model of {model} on the "
            f"features of {features}: {why}; no order is compatible throughout; "
            "--accept-window WHY accepts it",
            alias=alias,
            model=model,
            features=features,
        )


class WrongStateError(PreconditionError):
    """The thing is in a state in which this verb means nothing."""

    reason = "WRONG_STATE"

    def __init__(self, *, resource: str, state: str, verb: str, hint: str = "") -> None:
        super().__init__(
            f"{resource} is {state}: it cannot be {verb}{f'; {hint}' if hint else ''}",
            resource=resource,
            state=state,
        )


class AbortedError(TrilockError):
    """Lost a race: look again and decide."""

    reason = "ABORTED"


class StaleEtagError(AbortedError):
    """The alias changed since the caller looked."""

    reason = "STALE_ETAG"

    def __init__(self, *, resource: str, expected: str, found: str) -> None:
        super().__init__(
            f"{resource} has etag {found}, not {expected}: it changed since you looked",
            resource=resource,
            expected=expected,
            found=found,
        )


class BusyError(AbortedError):
    """Another operation holds the lock."""

    reason = "OPERATION_IN_PROGRESS"

    def __init__(self, *, scope: str, operation: str, doing: str = "") -> None:
        super().__init__(
            f"{scope} is locked by {operation}{f', which {doing}' if doing else ''}",
            scope=scope,
            operation=operation,
        )
        self.operation = operation


class AccessError(TrilockError):
    """The caller may not do this."""


class UnauthenticatedError(AccessError):
    """No token, or one that is unknown, revoked or expired."""

    reason = "UNAUTHENTICATED"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; set TRILOCK_TOKEN_FILE, or run `trilock init` beside the server")


class PermissionDeniedError(AccessError):
    """The principal has no role that allows the call."""

    reason = "PERMISSION_DENIED"

    def __init__(self, *, principal: str, roles: Sequence[str], needed: str) -> None:
        super().__init__(
            f"{principal} has {', '.join(roles) or 'no role'}; this call needs {needed}",
            principal=principal,
            needed=needed,
        )


class RevisionCompactedError(TrilockError):
    """The revision is no longer kept."""

    reason = "REVISION_COMPACTED"

    def __init__(self, *, wanted: int, oldest: int) -> None:
        super().__init__(
            f"revision {wanted} is no longer kept, the oldest is {oldest}; resolve and watch anew",
            wanted=wanted,
            oldest=oldest,
        )


class UnavailableError(TrilockError):
    """Try again; nothing was changed."""

    reason = "UNAVAILABLE"

    def __init__(self, what: str) -> None:
        super().__init__(what)


class WaitingError(UnavailableError):
    """What has to end first is under way. To ask again is no failed attempt."""
