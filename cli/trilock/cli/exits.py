"""What a command's exit code means, and which one an error gets: one table.

0    done, or compatible
1    could not decide: no server, a system error, evidence is missing
2    usage: an option, a name or a value is wrong or unknown
3    the state of the world, or the caller's rights, forbid it
4    timed out waiting; the operation goes on
100  incompatible
101  warnings, with --fail-on=warning
130  ctrl-c; an operation that was started goes on
141  nobody reads the output any more, as `| head` does; an operation goes on
"""

from enum import IntEnum
from typing import Final

from trilock.client.errors import TrilockError


class Exit(IntEnum):
    """An exit code of every command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    FORBIDDEN = 3
    STILL_RUNNING = 4
    INCOMPATIBLE = 100
    WARNINGS = 101
    INTERRUPTED = 130
    UNREAD = 141


BY_REASON: Final = {
    "INTERNAL": Exit.ERROR,
    "INVALID_ARGUMENT": Exit.USAGE,
    "INVALID_NAME": Exit.USAGE,
    "UNKNOWN_CONNECTION": Exit.USAGE,
    "NOT_FOUND": Exit.USAGE,
    "ALREADY_EXISTS": Exit.FORBIDDEN,
    "REQUEST_ID_REUSED": Exit.FORBIDDEN,
    "FAILED_PRECONDITION": Exit.FORBIDDEN,
    "INCOMPATIBLE": Exit.INCOMPATIBLE,
    "UNDECIDABLE": Exit.ERROR,
    "FOREIGN_EDIT": Exit.FORBIDDEN,
    "HOLD_ACTIVE": Exit.FORBIDDEN,
    "NOT_READY": Exit.FORBIDDEN,
    "FLEET_REFUSED": Exit.FORBIDDEN,
    "NO_SAFE_TARGET": Exit.FORBIDDEN,
    # An outside system that is down says nothing about the bundle.
    "PLANE_UNAVAILABLE": Exit.ERROR,
    "SINK_UNUSABLE": Exit.FORBIDDEN,
    "STALE_PLAN": Exit.FORBIDDEN,
    "WINDOW_NOT_ACCEPTED": Exit.FORBIDDEN,
    "SCHEMA_OUTDATED": Exit.FORBIDDEN,
    "WRONG_STATE": Exit.FORBIDDEN,
    "ABORTED": Exit.FORBIDDEN,
    "STALE_ETAG": Exit.FORBIDDEN,
    "OPERATION_IN_PROGRESS": Exit.FORBIDDEN,
    "UNAUTHENTICATED": Exit.FORBIDDEN,
    "PERMISSION_DENIED": Exit.FORBIDDEN,
    "REVISION_COMPACTED": Exit.ERROR,
    "UNAVAILABLE": Exit.ERROR,
    "WRITER_FENCED": Exit.FORBIDDEN,
}
"""Every reason of error_reason.proto."""


def exit_for(error: TrilockError) -> Exit:
    """Return the code for an error of the client; a reason it does not know gets its branch's."""
    return BY_REASON.get(error.reason) or exit_for_reason(type(error).default_reason)


def exit_for_reason(reason: str) -> Exit:
    """Return the code for *reason*; one of a newer server is an error like any other."""
    return BY_REASON.get(reason, Exit.ERROR)


class CommandError(Exception):
    """A command cannot go on: what to say, and how to exit."""

    def __init__(self, message: str, *, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CommandError):
    """The command was called wrongly."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=Exit.USAGE)
