"""How moments, spans and names are put into words."""

import re
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration

_MINUTE_S: Final = 60
_NAME: Final = re.compile(
    r"(?:\b(?:alias|bundle|release|sink) )?"
    r"\bmodels/(?P<model>[^/\s]+)/(?P<kind>aliases|bundles|releases|sinks)/(?P<id>[\w.-]*\w)"
)
_KINDS: Final = {"bundles": "bundle", "releases": "release", "sinks": "sink"}
_SCHEMA: Final = re.compile(r"\bfeatureSchemas/(?P<service>[^/\s]+)/versions/(?P<version>\d+)")
_COMMIT: Final = re.compile(r"\b[0-9a-f]{40}\b")
_COMMIT_SHOWN: Final = 12
_STEPS: Final = ((60, "s"), (60, "min"), (24, "h"), (float("inf"), "d"))


def span(seconds: float) -> str:
    """Return a length of time roughly, e.g. `3 min`."""
    value = max(0.0, seconds)
    for size, unit in _STEPS:
        if value < size:
            return f"{value:.0f} {unit}"
        value /= size
    raise AssertionError("the last step has no end")


def length(duration: Duration) -> str:
    """Return a measured length of time, e.g. `0.21 s`, `3 min`."""
    seconds = duration.seconds + duration.nanos / 1e9
    return f"{seconds:.2f} s" if seconds < _MINUTE_S else span(seconds)


def when(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return a moment both ways, e.g. `2026-11-21 02:17:05Z (3 min ago)`; `-` for none."""
    if moment is None:
        return "-"
    away = ((now or datetime.now(tz=UTC)) - moment).total_seconds()
    relative = f"{span(away)} ago" if away >= 0 else f"in {span(-away)}"
    return f"{moment_of(moment)} ({relative})"


def moment_of(moment: datetime | None) -> str:
    """Return a moment where many stand below each other: `2026-11-21 02:17:05Z`; `-` for none."""
    return "-" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def fleet_time(watchers: int, seconds: float) -> str:
    """Return e.g. `12 watchers in 0.04 s`: how many followed a switch, and the last one's time."""
    return f"{count(watchers, 'watcher')} in {seconds:.2f} s"


def last(name: str) -> str:
    """Return the last part of a resource name: `models/delay/bundles/17` is `17`."""
    return name.rpartition("/")[2]


def thing(name: str, kind: str) -> str:
    """Return e.g. `bundle 17` for a resource name; `-` for none."""
    return f"{kind} {last(name)}" if name else "-"


def shorter(text: str, *, alias: str) -> str:
    """Return *text* with the full names in it as people type them.

    Args:
        text: Words of the server: `switch every reader of models/delay/aliases/production`.
        alias: The full name of the alias it is about: its model need not be said. May be empty.
    """
    own = alias.removeprefix("models/").partition("/")[0]

    def short(found: re.Match[str]) -> str:
        model, kind, told = found["model"], found["kind"], found["id"]
        if kind == "aliases":
            return f"{model}@{told}"
        return f"{_KINDS[kind]} {told if model == own else f'{model}/{told}'}"

    text = _NAME.sub(short, text)
    return _SCHEMA.sub(r"schema \g<service>/\g<version>", text)


def shorter_commits(text: str) -> str:
    """Return *text* with so much of every commit id as is needed to tell it from others."""
    return _COMMIT.sub(lambda found: found[0][:_COMMIT_SHOWN], text)


def count(number: int, noun: str) -> str:
    """Return e.g. `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
