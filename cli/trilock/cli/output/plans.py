"""Plans in words: what changes where, in which order, and where every reader switches."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from trilock.cli.output.plain import enum_name, moment
from trilock.cli.output.reports import report_lines
from trilock.cli.output.streams import clean
from trilock.cli.output.words import count, last, length, shorter, shorter_commits, when
from trilock.client.names import short_alias
from trilock.v1.release_pb2 import (
    Plan,
    PlanOrder,
    PlanState,
    Release,
    ReleaseKind,
    ReleaseSink,
    ReleaseState,
)
from trilock.v1.release_service_pb2 import PlanRollbackResponse
from trilock.v1.report_pb2 import Verdict

_LONGEST: Final = 80
"""Characters of a serving config's value that are shown."""
_IN_TABLE: Final = frozenset({"MERGING", "DIRECT"})
"""States in which a release has rows in the table, or may have."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what *plan* would do, step by step."""
    kind = plan.kind.lower().replace("_", " ")
    yield clean(f"plan {plan.id}: {kind} {short_alias(plan.alias)}{_way(plan)}")
    yield from _changes(plan)
    yield from _steps(plan)
    if plan.HasField("report"):
        yield from report_lines(plan.report, subject=f"bundle {last(plan.to_bundle)}")


def companion_lines(plan: Plan) -> Iterator[str]:
    """Yield what *plan* changes for an alias that goes live with another one's pivot."""
    yield clean(f"together with it: {short_alias(plan.alias)}{_way(plan)}")
    yield from _changes(plan)
    if plan.HasField("report"):
        yield from report_lines(plan.report, subject=f"bundle {last(plan.to_bundle)}")


def rollback_lines(planned: PlanRollbackResponse, *, now: datetime | None = None) -> Iterator[str]:
    """Yield who is rolled back, from what, to what and why that, and what changes where."""
    plan, who = planned.plan, planned.principal
    yield clean(f"roll back {short_alias(plan.alias)}{f' as {who}' if who else ''}")
    yield f"  from  {_release(planned.leaves, now=now)}"
    if planned.HasField("restores"):
        yield f"  to    {_release(planned.restores, now=now)}"
    else:
        yield clean(f"  to    bundle {last(plan.to_bundle)}")
    if planned.why:
        yield clean(f"  why   {shorter(planned.why, alias=plan.alias)}")
    for passed in planned.passed_over:
        reason = shorter(passed.reason, alias=plan.alias)
        yield clean(f"  not   bundle {last(passed.bundle)}: {reason}")
    for sink in planned.leaves.sinks:
        yield clean(f"  rows  {_rows(sink, now=now)}")
    yield from _changes(plan)
    yield from _steps(plan)


def _way(plan: Plan) -> str:
    origin = f" from bundle {last(plan.from_bundle)}" if plan.from_bundle else ""
    return f"{origin} to bundle {last(plan.to_bundle)}"


def _steps(plan: Plan) -> Iterator[str]:
    """Yield what is done, what follows, what readers pass through, how long, and what stays."""
    for number, step in enumerate((step for step in plan.steps if not step.converges), start=1):
        note = "   <- the switch" if step.pivot else ""
        took = f"   {length(step.duration)}" if step.HasField("duration") else ""
        title = shorter(step.title, alias=plan.alias)
        yield clean(f"  {number:2}  {step.step:<20}  {title}{took}{note}")
    follow = [step.step for step in plan.steps if step.converges]
    if follow:
        yield clean(f"  then  {', '.join(follow)}: brought to the live bundle until they agree")
    yield from _states(plan)
    yield f"  time  {_pace(plan)}"
    for line in plan.not_undone:
        yield clean(f"  stays  {shorter(line, alias=plan.alias)}")
    for warning in plan.warnings:
        yield clean(f"  warning: {shorter(warning, alias=plan.alias)}")


def _rows(sink: ReleaseSink, *, now: datetime | None) -> str:
    """Return what becomes of a release's rows; a figure only if it is one."""
    name = last(sink.sink)
    if sink.undo_unavailable:
        return f"{name}: what it wrote stays in the table: {sink.undo_unavailable}"
    if sink.merged_rows:
        moved = f"{count(sink.merged_rows, 'row')} that finalize put into the table"
        return f"{name}: {moved}, and what was written since, to be taken out of it"
    if sink.state in _IN_TABLE:
        return f"{name}: whatever it wrote to the table, to be taken out of it"
    if not (sink.counted or sink.staged_rows):
        silent = "its database does not answer in time, and no row was counted before"
        return f"{name}: whatever is staged goes to quarantine; {silent}"
    rows = count(sink.staged_rows, "staged row") if sink.staged_rows else "no staged row"
    counted = moment(sink.count_time) if sink.HasField("count_time") else None
    old = f", as counted {when(counted, now=now)}: its database does not answer" if counted else ""
    return f"{name}: {rows} to go to quarantine{old}"


def _changes(plan: Plan) -> Iterator[str]:
    width = max((len(change.what) for change in plan.changes), default=0)
    for change in plan.changes:
        before, after = (_cut(text) or "nothing" for text in (change.before, change.after))
        yield clean(f"  {change.what:<{width}}  {before} -> {after}")


def _states(plan: Plan) -> Iterator[str]:
    """Yield every state that readers pass through, in order, with its verdict."""
    if not any(state.verdict for state in plan.states):
        return  # from one bundle to another, without a check that could be refused
    for number, state in enumerate(plan.states):
        as_now = not number and bool(plan.from_bundle)
        yield clean(f"  state {_state(state, alias=plan.alias, as_now=as_now)}")
    if plan.order:
        order = enum_name(PlanOrder.DESCRIPTOR, plan.order).lower().replace("_", " ")
        yield clean(f"  order {order}: {plan.order_why}")
    if plan.HasField("other_state"):
        yield clean(f"  not   {_state(plan.other_state, alias=plan.alias)}")


def _state(state: PlanState, *, alias: str, as_now: bool = False) -> str:
    model, features = last(state.model_of), last(state.features_of)
    told = f"bundle {model}"
    if model != features:
        told = f"the model of bundle {model} on the features of bundle {features}"
    if state.verdict:
        told += f": {enum_name(Verdict.DESCRIPTOR, state.verdict)}"
    elif as_now:
        told += ", as now"
    why = shorter(state.why, alias=alias)
    return f"{told}{f', {why}' if why else ''}"


def _pace(plan: Plan) -> str:
    if not plan.HasField("pace"):
        return "not known: it was never done here"
    runs = count(plan.pace.runs, "earlier run")
    return (
        f"{length(plan.pace.switched)} to the switch, {length(plan.pace.done)} until every plane "
        f"agrees (as in {runs})"
    )


def _cut(text: str) -> str:
    text = shorter_commits(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _release(release: Release, *, now: datetime | None) -> str:
    state = enum_name(ReleaseState.DESCRIPTOR, release.state)
    verb = "rolled back to" if release.kind == ReleaseKind.RELEASE_KIND_ROLLBACK else "promoted"
    cause = release.cause
    return clean(
        f"bundle {last(release.bundle)}  release {last(release.name)}, {state}; {verb} by "
        f"{cause.principal or 'nobody'} {when(moment(release.start_time), now=now)}"
        f"{f': {cause.reason}' if cause.reason else ''}"
    )
