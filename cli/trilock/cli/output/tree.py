"""The state of one alias as a tree that needs no colour to be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from rich.tree import Tree

from trilock.cli.output.operations import state_of, step_waits
from trilock.cli.output.plain import enum_name, moment
from trilock.cli.output.streams import clean, encodable
from trilock.cli.output.words import count, last, shorter, span, thing, when
from trilock.client.names import short_alias
from trilock.v1.bundle_pb2 import Hold
from trilock.v1.drift_pb2 import Drift
from trilock.v1.fleet_pb2 import Fleet
from trilock.v1.operation_pb2 import Operation
from trilock.v1.policy_pb2 import RecordedWaiver
from trilock.v1.release_pb2 import (
    Alias,
    Fallback,
    FeatureState,
    Pause,
    PlaneStatus,
    Readiness,
    Release,
    ReleaseKind,
    ReleaseSink,
    ReleaseState,
)
from trilock.v1.serving_pb2 import LiveBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasView:
    """All that is known of one alias."""

    alias: Alias
    live: LiveBundle | None
    """What serving processes are told; None if the server could not say."""
    operation: Operation | None
    """The operation that is not done yet."""


def status_tree(view: AliasView, *, now: datetime | None = None) -> Tree:
    """Return the tree of *view*."""
    alias = view.alias
    state = enum_name(ReleaseState.DESCRIPTOR, alias.live.state)
    pause = _pause(alias.live)
    paused = ", paused" if pause is not None else ""
    tree = Tree(_text(f"{short_alias(alias.name)}  {state}{paused}", style="bold"))
    live = tree.add(_text(f"live       {_release(alias.live, now=now)}"))
    for line in (*_reason(alias.live, alias=alias.name), *_bundle_lines(view.live)):
        live.add(_text(line))
    for line, more in _branches(alias, now=now):
        branch = tree.add(_text(shorter(line, alias=alias.name)))
        for text in more:
            branch.add(_text(shorter(text, alias=alias.name)))
    if view.operation is not None:
        _add_operation(tree, view.operation, now=now)
    return tree


def _branches(alias: Alias, *, now: datetime | None) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what hangs on *alias*, a line each, with the lines below it."""
    if alias.HasField("soaked"):
        yield f"soak       {_soak(alias, now=now)}", ()
    yield from _trials(alias, now=now)
    yield f"target     {_target(alias, now=now)}", alias.readiness.problems
    if alias.HasField("fallback"):
        line = f"fallback   {_fallback(alias.fallback, now=now)}"
        yield line, alias.fallback.readiness.problems
    if alias.HasField("hold"):
        yield f"hold       {_hold(alias.hold, now=now)}", ()
    for drift in alias.drifts:
        yield f"drift      {_drift(drift, now=now)}", drift.changes
    for state in alias.features:
        yield (
            f"features   {_fed(state, now=now)}",
            [f"not kept warm: {each}" for each in state.cold],
        )
    for plane in alias.planes:
        yield f"plane      {_plane(plane)}", tuple(_troubles(plane, now=now))
    if alias.fleet.watchers:
        yield f"fleet      {fleet_line(alias.fleet)}", ()
    for sink in alias.live.sinks:
        yield f"sink       {_sink(sink)}", ()
    for waiver in alias.waivers:
        yield f"waiver     {_waiver(waiver)}", ()


def _trials(alias: Alias, *, now: datetime | None) -> Iterator[tuple[str, Sequence[str]]]:
    if alias.HasField("canary"):
        why = tuple(_reason(alias.canary, alias=alias.name))
        yield f"canary     {alias.canary_percent} % to {_release(alias.canary, now=now)}", why
    if alias.HasField("shadow"):
        why = tuple(_reason(alias.shadow, alias=alias.name))
        yield f"shadow     {_release(alias.shadow, now=now)}", why


def fleet_line(fleet: Fleet) -> str:
    """Return e.g. `12 of 12 on revision 42, standby warm on 12`."""
    parts = [
        f"{fleet.serving} of {fleet.watchers} on revision {fleet.revision}",
        f"standby warm on {fleet.standby_warm}",
    ]
    missing = fleet.watchers - fleet.serving
    if missing:
        more = missing - len(fleet.stragglers)
        names = ", ".join(fleet.stragglers) + (f" and {more} more" if more > 0 else "")
        parts.append(f"not on {names}")
    if fleet.refused:
        parts.append(f"refused by {fleet.refused}: {fleet.refusal}")
    return ", ".join(parts)


def _pause(live: Release) -> Pause | None:
    """Return the pause that the soak of *live* is in."""
    soaks = live.state == ReleaseState.RELEASE_STATE_SOAKING
    if not soaks or not live.pauses or live.pauses[-1].HasField("end_time"):
        return None
    return live.pauses[-1]


def _soak(alias: Alias, *, now: datetime | None) -> str:
    soaked = span(alias.soaked.seconds)
    pause = _pause(alias.live)
    if pause is None:
        return f"{soaked} so far"
    why = f": {pause.cause.reason}" if pause.cause.reason else ""
    since = when(moment(pause.start_time), now=now)
    return f"{soaked}, then paused by {pause.cause.principal} {since}{why}"


def _text(text: str, *, style: str = "") -> Text:
    return Text(clean(text), style=style)


def _release(release: Release, *, now: datetime | None) -> str:
    verb = "rolled back" if release.kind == ReleaseKind.RELEASE_KIND_ROLLBACK else "promoted"
    cause = release.cause
    parts = [
        f"{thing(release.bundle, 'bundle')}  {thing(release.name, 'release')}",
        f"{verb} by {cause.principal or 'nobody'} {when(moment(release.start_time), now=now)}",
    ]
    return ", ".join(parts)


def _reason(release: Release, *, alias: str) -> Iterator[str]:
    """Yield why *release* is there, if anybody said so."""
    cause = release.cause
    told = [shorter(cause.reason, alias=alias)] if cause.reason else []
    told += [f"[{cause.incident}]"] if cause.incident else []
    if told:
        yield f"reason     {' '.join(told)}"


def _bundle_lines(live: LiveBundle | None) -> Iterator[str]:
    if live is None:
        return
    bundle = live.live
    yield f"model      {bundle.registered_model} version {bundle.model_version}"
    yield f"features   {bundle.feature_service} in project {bundle.feature_project}"
    yield f"pipeline   {bundle.pipeline_revision}"
    yield f"revision   {live.revision} of generation {live.generation}"


def _target(alias: Alias, *, now: datetime | None) -> str:
    if not alias.HasField("target"):
        return "none: nothing to roll back to"
    return (
        f"{_ready(alias.readiness)}  {thing(alias.target.bundle, 'bundle')}  "
        f"{thing(alias.target.name, 'release')}{_looked(alias.readiness, now=now)}"
    )


def _hold(hold: Hold, *, now: datetime | None) -> str:
    until = moment(hold.expire_time) if hold.HasField("expire_time") else None
    ends = f", until {when(until, now=now)}" if until else ""
    return f"nothing is promoted here: {hold.reason} (by {hold.principal}{ends})"


def _drift(drift: Drift, *, now: datetime | None) -> str:
    put_back = f", which is bundle {last(drift.held_bundle)}, on hold" if drift.held_bundle else ""
    happens = "it is made to agree again" if drift.reasserted else "reported only"
    since = when(moment(drift.start_time), now=now)
    return (
        f"{encodable('✖', otherwise='x')} {drift.resource}: wanted {drift.wanted or 'none'}, found "
        f"{drift.found or 'none'}{put_back}, since {since}; {happens}"
    )


def _fallback(fallback: Fallback, *, now: datetime | None) -> str:
    cause = fallback.cause
    why = f": {cause.reason}" if cause.reason else ""
    return (
        f"{_ready(fallback.readiness)}  {thing(fallback.bundle, 'bundle')}  recorded by "
        f"{cause.principal}{why}{_looked(fallback.readiness, now=now)}"
    )


def _ready(readiness: Readiness) -> str:
    state = enum_name(Readiness.State.DESCRIPTOR, readiness.state)
    glyph = encodable("✔", otherwise="+") if state == "READY" else encodable("✖", otherwise="x")
    return f"{glyph} {state}"


def _looked(readiness: Readiness, *, now: datetime | None) -> str:
    checked = moment(readiness.check_time)
    return f", looked at {when(checked, now=now)}" if checked else ""


def _fed(state: FeatureState, *, now: datetime | None) -> str:
    """Return how far a project is fed that is read, and how large it is."""
    if state.error:
        return f"{state.project} could not be looked at: {state.error}"
    until = moment(state.fed_until_time)
    size = "" if state.rows < 0 else f", {count(state.rows, 'row')} online"
    fed = f"fed until {when(until, now=now)}" if until else "never fed"
    return f"{state.project} of {thing(state.release, 'release')}, {fed}{size}"


def _plane(plane: PlaneStatus) -> str:
    if plane.converged:
        return f"{encodable('✔', otherwise='+')} {plane.plane} agrees: {plane.wanted}"
    cross, found = encodable("✖", otherwise="x"), plane.found or "none"
    if plane.wanted == plane.found:
        # It was not seen since the last change: what it should be now, nobody could tell it.
        return f"{cross} {plane.plane} follows, was {found} when last seen"
    return f"{cross} {plane.plane} differs: wanted {plane.wanted or 'none'}, found {found}"


def _troubles(plane: PlaneStatus, *, now: datetime | None) -> Iterator[str]:
    """Yield why *plane* does not agree, since when, and when that is tried again."""
    if plane.converged:
        return
    if plane.error:
        yield plane.error
    since, next_try = moment(plane.failing_since_time), moment(plane.next_try_time)
    tried = f"failed {count(plane.attempts, 'time')}" if plane.attempts else ""
    tried += f" since {when(since, now=now)}" if tried and since else ""
    again = f"next try {when(next_try, now=now)}" if next_try else ""
    if tried or again:
        yield ", ".join(part for part in (tried, again) if part)


def _sink(sink: ReleaseSink) -> str:
    parts = [f"{last(sink.sink)} {sink.state}"]
    if sink.staged_rows:  # none, or not counted yet
        parts.append(f"{count(sink.staged_rows, 'row')} staged")
    if sink.merged_rows:
        parts.append(f"{count(sink.merged_rows, 'row')} merged")
    if sink.kept_rows:
        parts.append(f"{count(sink.kept_rows, 'row')} not merged: written by others since")
    if sink.undo_unavailable:
        parts.append(f"what it wrote stays: {sink.undo_unavailable}")
    if sink.ahead:
        parts.append(sink.ahead)
    return ", ".join(parts)


def _waiver(recorded: RecordedWaiver) -> str:
    waiver = recorded.waiver
    what = f"{waiver.rule} at {waiver.path}"
    who = f"by {waiver.owner}: {waiver.reason} (waiver {last(recorded.name)})"
    if recorded.state == RecordedWaiver.State.STATE_EXPIRED:
        cross = encodable("✖", otherwise="x")
        return f"{cross} {what} EXPIRED after {waiver.expire_date} and counts again, {who}"
    return f"{what} until {waiver.expire_date} {who}"


def _add_operation(tree: Tree, operation: Operation, *, now: datetime | None) -> None:
    kind = operation.kind.lower().replace("_", " ")
    began = when(moment(operation.create_time), now=now)
    by = f" by {operation.cause.principal}" if operation.cause.principal else ""
    branch = tree.add(_text(f"operation  {kind} {state_of(operation)}, begun{by} {began}"))
    branch.add(_text(f"trilock operations show {last(operation.name)}"))
    width = max((len(step.step) for step in operation.steps), default=0)
    for step in operation.steps:
        title = shorter(step.title, alias=operation.alias)
        attempts = f", {count(step.attempts, 'attempt')}" if step.attempts > 1 else ""
        told = f": {step.progress}" if step.state == "STARTED" and step.progress else ""
        branch.add(_text(f"{step.state:<8} {step.step:<{width}}  {title}{attempts}{told}"))
    # What planes wait for stands with the planes.
    for line in step_waits(operation):
        branch.add(_text(f"waits for {line}"))
