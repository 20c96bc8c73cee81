"""From plans to messages: what would be done, what readers pass through, and what it means."""

from collections.abc import Iterator, Sequence
from typing import Final

from trilock.compat import Report
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import Plan
from trilock.server.operations.pace import Pace
from trilock.server.planning.middle import State, Way
from trilock.server.planning.outlook import Change
from trilock.server.rpc.convert.checks import report_to_proto
from trilock.server.rpc.convert.fields import duration
from trilock.server.usecases.middle_states import Middle
from trilock.server.usecases.promote import PlannedPromotion
from trilock.v1 import release_pb2, report_pb2


def plan_to_proto(
    plan: Plan,
    *,
    from_bundle: BundleRef | None,
    to_bundle: BundleRef,
    report: Report | None = None,
    changes: Sequence[Change] = (),
    not_undone: Sequence[str] = (),
    pace: Pace | None = None,
    between: Middle | None = None,
) -> release_pb2.Plan:
    """Return the message of *plan*: its steps, the last of them the pivot, and what follows."""
    took = {} if pace is None else pace.steps
    origin = "" if from_bundle is None else str(from_bundle)
    steps = [
        release_pb2.PlanStep(
            step=step.step,
            title=step.title,
            pivot=step is plan.steps[-1],
            duration=duration(took.get(step.step)),
            # Up to the pivot nobody sees anything of it.
            serves=str(to_bundle) if step is plan.steps[-1] else origin,
        )
        for step in plan.steps
    ]
    steps += [
        release_pb2.PlanStep(
            step=plane,
            title=f"bring {plane} to the live bundle",
            converges=True,
            serves=str(to_bundle),
        )
        for plane in plan.converges
    ]
    return release_pb2.Plan(
        id=plan.id,
        alias=str(plan.alias),
        kind=plan.kind.value,
        etag=plan.etag,
        from_bundle=origin,
        to_bundle=str(to_bundle),
        steps=steps,
        report=None if report is None else report_to_proto(report),
        warnings=plan.warnings,
        changes=[
            release_pb2.PlanChange(what=change.what, before=change.before, after=change.after)
            for change in changes
        ],
        not_undone=not_undone,
        pace=None
        if pace is None
        else release_pb2.Pace(
            runs=pace.runs, switched=duration(pace.switched), done=duration(pace.done)
        ),
        states=_states(origin, str(to_bundle), between=between, report=report),
        order=release_pb2.PLAN_ORDER_UNSPECIFIED if between is None else _ORDERS[between.way],
        order_why="" if between is None else between.why,
        other_state=None
        if between is None or between.passed_over is None
        else _state(between.passed_over),
    )


def promotion_to_proto(planned: PlannedPromotion, *, plan: Plan) -> release_pb2.Plan:
    """Return the message of *planned*, which is all of *plan* or a part of it."""
    live = planned.around.live
    return plan_to_proto(
        plan,
        from_bundle=None if live is None else live.bundle,
        to_bundle=planned.bundle.ref,
        report=planned.report,
        changes=planned.changes,
        pace=planned.pace,
        between=planned.middle,
    )


_ORDERS: Final = {
    Way.MODEL_FIRST: release_pb2.PLAN_ORDER_MODEL_FIRST,
    Way.FEATURES_FIRST: release_pb2.PLAN_ORDER_FEATURES_FIRST,
    Way.WINDOW: release_pb2.PLAN_ORDER_WINDOW,
}


def _states(
    origin: str, target: str, *, between: Middle | None, report: Report | None
) -> Iterator[release_pb2.PlanState]:
    if origin:
        yield release_pb2.PlanState(model_of=origin, features_of=origin)
    if between is not None:
        yield _state(between.taken)
    yield release_pb2.PlanState(
        model_of=target,
        features_of=target,
        verdict=report_pb2.VERDICT_UNSPECIFIED
        if report is None
        else report_to_proto(report).verdict,
    )


def _state(state: State) -> release_pb2.PlanState:
    return release_pb2.PlanState(
        model_of=str(state.model_of),
        features_of=str(state.features_of),
        verdict=report_pb2.VERDICT_COMPATIBLE
        if state.compatible
        else report_pb2.VERDICT_INCOMPATIBLE,
        why=state.why,
    )
