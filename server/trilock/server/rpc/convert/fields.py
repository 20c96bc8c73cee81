"""What fields are made of: times, lengths of time, names, counts."""

from datetime import datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_UNCOUNTED: Final = -1


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return the message of *moment*, which is aware."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def duration(seconds: float | None) -> Duration | None:
    """Return the message of a length of time, to the millisecond."""
    if seconds is None:
        return None
    message = Duration()
    message.FromMilliseconds(round(seconds * 1000))
    return message


def name_of(ref: object | None) -> str:
    """Return the full name of what *ref* refers to; empty for nothing."""
    return "" if ref is None else str(ref)


def rows_of(counted: int | None) -> int:
    """Return how many rows were counted; a number below 0 if they were not."""
    return _UNCOUNTED if counted is None else counted
