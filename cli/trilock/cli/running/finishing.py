"""How every command ends that started an operation: wait or not, write it, exit by its end."""

from typing import Any

from trilock.cli.output.plain import plain
from trilock.cli.output.streams import Format, say, write, write_json
from trilock.cli.running.session import Session
from trilock.cli.running.waiting import Followed, StillRunningError, follow, require_success
from trilock.v1.operation_pb2 import Operation


def finish(
    session: Session,
    operation: Operation,
    *,
    wait: bool,
    timeout: float,
    output: Format,
    begun: float | None = None,
    joined: bool = False,
) -> Followed | None:
    """Wait until *operation* is done, if asked to, and write it as data for scripts.

    Args:
        session: Where it runs.
        operation: As its call returned it.
        wait: Whether to wait; else its name is written.
        timeout: Seconds to wait at most.
        output: How data is written.
        begun: When it was asked for, on the monotonic clock; by default now.
        joined: Whether it was begun by another command, some time ago.

    Returns:
        How it ended; None if nobody waited.

    Raises:
        CommandError: It did not do what it was started for, or not yet.
    """
    if not wait:
        if output is Format.JSON:
            write_json({"operation": plain(operation)})
        else:
            write(operation.name)
        say(f"it goes on: trilock operations wait {operation.name.removeprefix('operations/')}")
        return None
    try:
        followed = follow(session, operation, timeout=timeout, begun=begun, joined=joined)
    except StillRunningError as error:
        if output is Format.JSON:
            write_json({"operation": plain(error.operation)})
        raise
    if output is Format.JSON:
        write_json(_data(followed))
    require_success(followed.operation)
    return followed


def seconds(followed: Followed) -> str:
    """Return in words how long it took."""
    if followed.switched_s is None:
        return f"done after {followed.total_s:.1f} s"
    return (
        f"switched in {followed.switched_s:.2f} s, "
        f"every plane agrees after {followed.total_s:.1f} s"
    )


def _data(followed: Followed) -> dict[str, Any]:
    return {
        "operation": plain(followed.operation),
        "switched_seconds": followed.switched_s,
        "total_seconds": followed.total_s,
    }
