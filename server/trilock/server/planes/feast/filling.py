"""Which event times of a view to feed, in which order: pure.

Online stores keep one row an entity and take whatever comes last, so older
times must never be fed over newer ones: what lies below a watermark is fed
together with everything up to it, in one go, and only what lies beyond is fed
in chunks, the oldest first. Cut short anywhere, what is served is never older
than it was, and what is on record as fed is fed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from trilock.server.domain.ports import Window

Interval = tuple[datetime, datetime]


def unbroken(fed: Iterable[Interval]) -> Interval | None:
    """Return the last unbroken time that was fed; None if nothing was."""
    return max(merged(fed), default=None)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same times in as few intervals as possible; Feast's own list only grows."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def spans(
    window: Window, *, fed: Sequence[Interval], chunk: timedelta, resume: bool
) -> list[Interval]:
    """Return the times to feed, the oldest first; empty if there is nothing to do.

    Args:
        window: What has to be fed.
        fed: What is on record as fed.
        chunk: How much at a time.
        resume: Leave out what is on record.
    """
    last = unbroken(fed)
    start, end = window.start, window.end
    if resume and last is not None and last[0] <= start:
        start = max(start, last[1])
        if start >= end:
            return []
    found: list[Interval] = []
    if last is not None and start < last[1]:
        found.append((start, last[1]))
        start = last[1]
    while start < end:
        found.append((start, min(end, start + chunk)))
        start = found[-1][1]
    return found
