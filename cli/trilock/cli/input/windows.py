"""A window of event times, as two options spell it."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from trilock.cli.exits import UsageError
from trilock.cli.input.grammar import moment
from trilock.v1.release_service_pb2 import FeatureWindow


def window(start: str | None, end: str | None) -> FeatureWindow | None:
    """Return the window from *start* to *end*; None if neither is given.

    Args:
        start: ISO 8601. Required with *end*.
        end: ISO 8601; by default now.

    Raises:
        UsageError: One of them is malformed, or the end is not after the start.
    """
    if start is None and end is None:
        return None
    if start is None:
        raise UsageError("the end of the window needs its start, too")
    first = moment(start)
    last = moment(end) if end is not None else datetime.now(tz=UTC)
    if last <= first:
        raise UsageError(f"the window ends at {last.isoformat()}, not after its start")
    return FeatureWindow(start_time=_timestamp(first), end_time=_timestamp(last))


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
