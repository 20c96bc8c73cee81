"""Change the definitions and watermarks of a project, inside one registry transaction.

The rule that the rest of trilock relies on: `deploy` compares and sets under
the session's locks, writes only what differs, and never takes a watermark from
a capture or keeps one of another definition. A watermark says "this online
table is filled until then"; a wrong one would keep values from ever being fed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import ForeignEditError, PreconditionError
from trilock.server.domain.ports import ViewState, Window
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import (
    Key,
    definition_bytes,
    definition_digest,
    definitions,
    keys,
    with_project,
)
from trilock.server.planes.feast.filling import Interval, merged, unbroken
from trilock.server.planes.feast.online import OnlineView
from trilock.server.planes.feast.registry import RegistrySession


@dataclass(frozen=True, slots=True)
class Anything:
    """Stands for an expectation that whatever is there meets."""


ANYTHING: Final = Anything()

Expected = str | None | Anything

_WATERMARKED: Final = frozenset({"feature_view", "stream_feature_view"})
"""Kinds of views whose row tells what was materialized."""

_AVAILABLE_ONLINE: Final = 4
"""`FeatureViewState.AVAILABLE_ONLINE`."""


def deploy(
    session: RegistrySession, capture: FeatureCapture, *, project: str, expected: Expected
) -> tuple[Key, ...]:
    """Make *project* define every object as captured; return what had to be written.

    Raises:
        ForeignEditError: The project has neither *expected* nor the capture.
        PreconditionError: A view's name is taken by a view of another kind.
    """
    current = session.read(project, only=keys(capture))
    found = definition_digest(current)
    if found == capture.definition_digest:
        return ()
    if not isinstance(expected, Anything) and found != expected:
        raise ForeignEditError(
            resource=f"the definition of {capture.service} in Feast project {project}",
            expected=expected,
            found=found,
        )
    _refuse_other_kinds(session, capture, project=project)
    now = datetime.now(UTC)
    changed = {
        key: _deployed(key, proto, project=project, current=current.get(key), now=now)
        for key, proto in definitions(capture).items()
        if key not in current
        or definition_bytes(key[0], current[key]) != definition_bytes(key[0], proto)
    }
    session.write(project, changed)
    return tuple(sorted(changed))


def _refuse_other_kinds(session: RegistrySession, capture: FeatureCapture, *, project: str) -> None:
    """Feast has one name space for views of all kinds, and we never delete what is there."""
    kinds = {name for name, kind in protos.kinds().items() if kind.is_view}
    others = session.read(
        project,
        only=[
            (other, name)
            for kind, name in keys(capture)
            if kind in kinds
            for other in kinds - {kind}
        ],
    )
    if others:
        names = ", ".join(f"{kind.replace('_', ' ')} {name!r}" for kind, name in sorted(others))
        raise PreconditionError(
            f"Feast project {project!r} has {names}; the captured view of that name is of "
            "another kind, so the old one has to be deleted first",
            project=project,
        )


def _deployed(key: Key, proto: bytes, *, project: str, current: bytes | None, now: datetime) -> Any:  # noqa: ANN401 - a Feast message
    message = with_project(key[0], proto, project=project)
    if current is None:
        # Neither watermarks nor a state: this project's online table is empty.
        message.ClearField("meta")
        message.meta.created_timestamp.FromDatetime(now)
    else:
        message.meta.CopyFrom(protos.parse(key[0], current).meta)
        if "materialization_intervals" in message.meta.DESCRIPTOR.fields_by_name:
            # The values in the online table are those of the other definition.
            _set_intervals(message, ())
    message.meta.last_updated_timestamp.FromDatetime(now)
    return message


def remove(session: RegistrySession, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
    """Remove the captured objects from *project*; return what else is there, one line each.

    The project itself goes when nothing is left in it. Idempotent.

    Raises:
        ForeignEditError: It has some of them, and defined otherwise.
    """
    found = session.read(project, only=keys(capture))
    if found:
        require_captured(session, capture, project=project)
    others = [key for key in sorted(session.read(project)) if key not in found]
    if others:
        # They may be made of the same entities and sources.
        found = {key: row for key, row in found.items() if key[0] not in {"entity", "data_source"}}
    session.remove(project, tuple(found))
    return tuple(f"{kind.replace('_', ' ')} {name!r}" for kind, name in others)


def require_captured(session: RegistrySession, capture: FeatureCapture, *, project: str) -> None:
    """Do nothing if *project* defines everything as captured.

    Raises:
        ForeignEditError: It does not.
    """
    found = definition_digest(session.read(project, only=keys(capture)))
    if found != capture.definition_digest:
        raise ForeignEditError(
            resource=f"the definition of {capture.service} in Feast project {project}",
            expected=capture.definition_digest,
            found=found,
        )


def view_state(view: OnlineView, *, row: bytes | None, rows: int | None) -> ViewState:
    """Return how far *view* is filled, by its registry row; *rows* is what was counted."""
    last = None if row is None else unbroken(_intervals(protos.parse(view.kind, row)))
    return ViewState(
        view=view.name,
        rows=rows,
        fed_from=None if last is None else last[0],
        fed_until=None if last is None else last[1],
        feedable=view.feedable and view.kind in _WATERMARKED,
        cold=view.cold,
    )


def add_watermark(
    session: RegistrySession, capture: FeatureCapture, *, project: str, key: Key, window: Window
) -> None:
    """Record that the online table of view *key* was fed with *window*, as captured.

    Raises:
        ForeignEditError: The view was changed meanwhile; what was fed is not its values.
    """
    row = session.read(project, only=[key]).get(key)
    fed = definition_digest({key: definitions(capture)[key]})
    found = None if row is None else definition_digest({key: row})
    if row is None or found != fed:
        raise ForeignEditError(
            resource=f"feature view {key[1]} in Feast project {project}", expected=fed, found=found
        )
    message = protos.parse(key[0], row)
    if "materialization_intervals" not in message.meta.DESCRIPTOR.fields_by_name:
        return
    _set_intervals(message, merged([*_intervals(message), (window.start, window.end)]))
    _write_changed(session, project, {key: (row, message)})


def is_fed(key: Key) -> bool:
    """Return whether the row of *key* tells how far it is fed."""
    return key[0] in _WATERMARKED


def fed(key: Key, row: bytes) -> tuple[Interval, ...]:
    """Return how far the view *key* is fed, by its row."""
    return tuple(_intervals(protos.parse(key[0], row)))


Watermarks = Mapping[Key, tuple[Interval, ...]]
"""What is in the online tables, by view."""


def watermarks(session: RegistrySession, capture: FeatureCapture, *, project: str) -> Watermarks:
    """Return the watermarks of every captured view in *project*.

    Raises:
        ForeignEditError: The project does not define them as captured.
    """
    require_captured(session, capture, project=project)
    rows = session.read(project, only=keys(capture))
    return {key: fed(key, row) for key, row in rows.items() if is_fed(key)}


def set_watermarks(session: RegistrySession, marks: Watermarks, *, project: str) -> None:
    """Make the watermarks of *project* what *marks* says, for the views in it."""
    changes: dict[Key, tuple[bytes, Any]] = {}
    for key, row in session.read(project, only=tuple(marks)).items():
        message = protos.parse(key[0], row)
        _set_intervals(message, marks[key])
        changes[key] = (row, message)
    _write_changed(session, project, changes)


def _write_changed(
    session: RegistrySession, project: str, changes: Mapping[Key, tuple[bytes, Any]]
) -> None:
    changed = {
        key: message
        for key, (row, message) in changes.items()
        if message != protos.parse(key[0], row)
    }
    for message in changed.values():
        message.meta.last_updated_timestamp.FromDatetime(datetime.now(UTC))
    session.write(project, changed)


def _intervals(message: Any) -> list[Interval]:  # noqa: ANN401 - a Feast message
    if "materialization_intervals" not in message.meta.DESCRIPTOR.fields_by_name:
        return []
    return [
        (interval.start_time.ToDatetime(tzinfo=UTC), interval.end_time.ToDatetime(tzinfo=UTC))
        for interval in message.meta.materialization_intervals
    ]


def _set_intervals(
    message: Any,  # noqa: ANN401 - a Feast message
    intervals: Iterable[Interval],
) -> None:
    del message.meta.materialization_intervals[:]
    for start, end in intervals:
        interval = message.meta.materialization_intervals.add()
        interval.start_time.FromDatetime(start)
        interval.end_time.FromDatetime(end)
    if message.meta.state:
        # Left in MATERIALIZING by a job that died, the view would not be served.
        message.meta.state = _AVAILABLE_ONLINE
