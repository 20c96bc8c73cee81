"""Plans in words: what changes where, in which order, and where every reader switches."""

from collections.abc import Iterator
from datetime import datetime

from trilock.cli.output import clean
from trilock.cli.plain import enum_name, moment
from trilock.cli.reports import report_lines
from trilock.cli.words import last, when
from trilock.client.names import short_alias
from trilock.v1.release_pb2 import Plan, Release, ReleaseKind, ReleaseState


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what *plan* would do, step by step."""
    yield clean(f"plan {plan.id}: {plan.kind.lower().replace('_', ' ')} {short_alias(plan.alias)}")
    origin = f"from bundle {last(plan.from_bundle)} " if plan.from_bundle else ""
    yield clean(f"  {origin}to bundle {last(plan.to_bundle)}")
    for number, step in enumerate(plan.steps, start=1):
        note = ""
        if step.pivot:
            note = "   <- every reader switches here"
        elif step.converges:
            note = "   (afterwards, until it is so)"
        yield clean(f"  {number:2}  {step.step:<20}  {step.title}{note}")
    for warning in plan.warnings:
        yield clean(f"  warning: {warning}")
    if plan.HasField("report"):
        yield from report_lines(plan.report, subject=f"bundle {last(plan.to_bundle)}")


def rollback_lines(
    plan: Plan, *, leaves: Release, restores: Release, now: datetime | None = None
) -> Iterator[str]:
    """Yield who is rolled back, from what, to what and why that, and what changes where."""
    yield clean(f"roll back {short_alias(plan.alias)}")
    yield f"  from  {_release(leaves, now=now)}"
    yield f"  to    {_release(restores, now=now)}"
    yield from plan_lines(plan)


def _release(release: Release, *, now: datetime | None) -> str:
    state = enum_name(ReleaseState.DESCRIPTOR, release.state)
    verb = "rolled back to" if release.kind == ReleaseKind.RELEASE_KIND_ROLLBACK else "promoted"
    cause = release.cause
    return clean(
        f"bundle {last(release.bundle)}  release {last(release.name)}, {state}; {verb} by "
        f"{cause.principal or 'nobody'} {when(moment(release.start_time), now=now)}"
        f"{f': {cause.reason}' if cause.reason else ''}"
    )
