"""The event times a feature project is filled with, when nobody says."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from trilock.compat import RawObject
from trilock.server.domain.ports import Window

_WITHOUT_TTL: Final = timedelta(days=30)
"""For views that never expire: old enough for most, short enough to be filled."""


def default_window(objects: Iterable[RawObject], *, now: datetime | None = None) -> Window:
    """Return the window from the longest time to live of any view ago until now.

    A row older than that is not served, so it need not be filled.
    """
    end = now or datetime.now(UTC)
    ttls = [
        _seconds(view.definition.get("spec", {}).get("ttl"))
        for view in objects
        if view.kind in {"feature_view", "stream_feature_view", "label_view"}
    ]
    known = [ttl for ttl in ttls if ttl]
    longest = timedelta(seconds=max(known)) if known and len(known) == len(ttls) else _WITHOUT_TTL
    return Window(start=end - longest, end=end)


def _seconds(ttl: object) -> float:
    # protobuf's JSON form of a Duration: "604800s", or "0.5s".
    return float(ttl[:-1]) if isinstance(ttl, str) and ttl.endswith("s") else 0.0
