"""What a plan means for people: what differs afterwards, and what nothing takes back.

Pure: what it is given is all it knows. Nothing of it is part of the plan's id.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.release import Release, ReleaseState
from trilock.server.domain.sink import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that readers will find to be another."""

    what: str
    """`model`, `features`, `pipeline`, or `serving config KEY`."""
    before: str
    """"" for nothing."""
    after: str


def changes(before: Bundle | None, after: Bundle) -> tuple[Change, ...]:
    """Return what differs between two bundles; everything, if there was none before."""
    old = {} if before is None else _parts(before)
    new = _parts(after)
    return tuple(
        Change(what=what, before=old.get(what, ""), after=new.get(what, ""))
        for what in dict.fromkeys([*new, *old])
        if old.get(what) != new.get(what)
    )


_STAGES: Final = frozenset({ReleaseState.SOAKING, ReleaseState.CANARY, ReleaseState.SHADOW})


def not_undone(
    leaves: Release,
    *,
    sinks: Sequence[Sink],
    between: Sequence[Release] = (),
    wrote_to_tables: bool = False,
) -> tuple[str, ...]:
    """Return what stays as it is when *leaves* is rolled back.

    Args:
        leaves: What is live.
        sinks: What it writes to.
        between: Releases that were live after the one that is restored and before
            *leaves*, and that nobody rolled back.
        wrote_to_tables: Whether it did although it only stages as far as trilock knows: what
            it knows was restored from a copy.
    """
    lines = ["what its readers were already given, and what was written where trilock has no sink"]
    if leaves.state not in _STAGES or wrote_to_tables:
        # What is staged never was in a table.
        for sink in sinks:
            if sink.undoable:
                lines.append(f"rows of {sink.table} that somebody else has written since")
            else:
                lines.append(
                    f"rows in {sink.table}: undo is unavailable, it is append-only and has no "
                    "release column"
                )
    if sinks:
        lines += [
            f"rows that {release.ref} ({release.bundle}) wrote: it was finalized, and is not "
            "what is rolled back"
            for release in between
        ]
    return tuple(lines)


def _parts(bundle: Bundle) -> Mapping[str, str]:
    model, schema = bundle.model_version, bundle.feature_schema
    return {
        "model": f"{model.name} version {model.version}",
        "features": f"{schema.ref.service} version {schema.ref.version} in {schema.project}",
        "pipeline": bundle.pipeline_commit.revision,
        **{
            f"serving config {key}": _text(value)
            for key, value in sorted(bundle.serving_config.items())
        },
    }


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
