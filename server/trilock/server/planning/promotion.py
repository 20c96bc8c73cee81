"""Plans of promotions: staging tables, features, gates, and the switch or the start of a trial."""

from datetime import datetime, timedelta
from typing import Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import OperationKind, Plan, PlannedStep
from trilock.server.domain.ports import Window
from trilock.server.domain.release import ALONE, Together
from trilock.server.planning.gates import promotion_gates
from trilock.server.planning.middle import Way
from trilock.server.planning.plan import Surroundings, make_plan, where
from trilock.server.planning.trial import Trial, trial_pivot

_NO_CACHE: Final = timedelta()

LEADING: Final = frozenset({"lead_features", "swap_features"})
"""Names of the steps by which features go before the pivot, in place."""


def plan_promotion(
    around: Surroundings,
    *,
    bundle: Bundle,
    window: Window,
    window_is_default: bool,
    together: Together = ALONE,
    trial: Trial | None = None,
    way: Way | None = None,
    reader_cache: timedelta | None = _NO_CACHE,
) -> Plan:
    """Return the plan that makes *bundle* live, or puts it on trial beside what is live.

    Args:
        around: The alias and what is around it.
        bundle: What to make live.
        window: Event times to fill the bundle's feature project with.
        window_is_default: Whether nobody chose the window. It then moves with the
            clock, and is no part of what was reviewed.
        together: What goes live with the same pivot, elsewhere.
        trial: As what it is tried beside what is live; None to make it live.
        way: In which order model and features change, in place; None if only one does.
        reader_cache: How long readers go on with the definitions that they have; None for good.
    """
    project = bundle.feature_schema.project
    filling = {
        "model": bundle.ref.model,
        "feature_schema": str(bundle.feature_schema.ref),
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "window_is_default": window_is_default,
    }
    steps = [
        *(
            PlannedStep(
                step="prepare_sink",
                args={"sink": str(sink.ref), "epoch": None},
                title=f"make a staging table beside {sink.table} of {sink.connection}",
            )
            for sink in around.sinks
        ),
        PlannedStep(
            step="deploy_features",
            args={"model": bundle.ref.model, "feature_schema": str(bundle.feature_schema.ref)},
            title=f"define {bundle.feature_schema.ref} in Feast project {project}",
        ),
        PlannedStep(
            step="fill_features",
            args=filling,
            title=f"fill {project} from {_minute(window.start)} to {_minute(window.end)}",
        ),
        PlannedStep(
            step="verify_features",
            args=filling,
            title=f"compare {project} with its sources",
        ),
        *(_leading(around, bundle) if way is Way.FEATURES_FIRST and trial is None else ()),
        *promotion_gates(around.alias, bundle.ref, together=together),
        _promotion(around, bundle.ref) if trial is None else trial_pivot(around, bundle.ref, trial),
    ]
    warnings = [
        f"{sink.ref} is append-only and has no release column: rows of this release cannot be "
        "undone once finalized"
        for sink in around.sinks
        if not sink.undoable
    ]
    if way in {Way.MODEL_FIRST, Way.WINDOW}:
        warnings.append(
            f"in place: from the switch until {around.feature_project} has followed, the new model "
            f"reads the old features{'' if way is Way.MODEL_FIRST else _window(reader_cache)}"
        )
    if around.live is None and trial is None:
        warnings.append("it is the first release here: there is nothing to roll back to")
    return make_plan(OperationKind.PROMOTE, around, steps, warnings=warnings, way=way)


def _leading(around: Surroundings, bundle: Bundle) -> tuple[PlannedStep, ...]:
    args = {"alias": str(around.alias), "bundle": str(bundle.ref)}
    project, schema = around.feature_project, bundle.feature_schema.ref
    return (
        PlannedStep(
            step="lead_features",
            args=args,
            title=f"have {project} hold {schema}, before the switch",
        ),
        PlannedStep(
            step="swap_features",
            args={**args, "project": project},
            title=f"swap {schema} into {project}, and compare it with its sources",
        ),
    )


def _promotion(around: Surroundings, bundle: BundleRef) -> PlannedStep:
    return PlannedStep(
        step="switch_live",
        args={
            "alias": str(around.alias),
            "bundle": str(bundle),
            "kind": "PROMOTION",
            "expected": None if around.live is None else str(around.live.release),
            "target": None if around.live is None else str(around.live.release),
            "restores": None,
            "epoch": None,
            **where(around),
        },
        title=f"switch every reader of {around.alias} to {bundle}",
    )


def _window(reader_cache: timedelta | None) -> str:
    """Return what is to be accepted: at least as long as readers keep definitions."""
    if reader_cache is None:
        return ", which does not go together: where definitions are kept, until it is restarted"
    least = f", for at least {reader_cache.total_seconds():g} s where definitions are kept"
    return f", which does not go together{least if reader_cache else ''}"


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
