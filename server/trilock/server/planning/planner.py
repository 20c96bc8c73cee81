"""Which steps, in which order, make a change safe.

Side by side there is no middle state: every feature schema has a Feast project
of its own, so the pivot, one transaction on one row, switches model, features,
sinks and serving config at once. In place the features follow the pivot, or go before
it: whichever leaves readers with what goes together. What comes before the pivot can be
taken back; what comes after it only follows. Gates stand right before it: they change nothing, and
are asked when it is its turn (I2). The planner looks at nothing: what it is given is
all it knows, so equal worlds give equal plans.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.operation import Json, OperationKind, Plan, PlannedStep
from trilock.server.domain.ports import Window
from trilock.server.domain.release import ALONE, NO_RELEASE_ETAG, LiveRow, Release, Together
from trilock.server.domain.sink import Sink
from trilock.server.planning.middle import Way

PLAN_VERSION: Final = 1
"""Version of the steps' arguments. A server drives only plans of a version it knows."""

_NO_CACHE: Final = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around an alias: which sinks are written to, which planes follow."""

    alias: AliasRef
    live: LiveRow | None
    sinks: tuple[Sink, ...]
    planes: tuple[str, ...]
    """Names of the planes that converge after the pivot."""
    feature_project: str = ""
    """The one project that features are read from, in place; "" side by side."""

    @property
    def etag(self) -> str:
        """The alias's etag."""
        return NO_RELEASE_ETAG if self.live is None else self.live.etag


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """As what a bundle is tried beside what is live."""

    percent: int
    """The canary's share, from 1 to 99; 0 for a shadow."""


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
        _promotion(around, bundle.ref) if trial is None else _trial(around, bundle.ref, trial),
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
    return _plan(OperationKind.PROMOTE, around, steps, warnings, way=way)


def plan_together(parts: Sequence[Plan], *, releases: Sequence[ReleaseRef | None]) -> Plan:
    """Return the plan that does what *parts* do, with one pivot: that of the first.

    Args:
        parts: Plans of promotions, or of rollbacks, each of an alias of its own. The
            operation is the first one's; the others' pivots are part of its pivot.
        releases: The release that was reserved for each; None as long as it only is a plan.
    """
    lead, *others = parts
    if not others:
        return lead
    pivot = lead.steps[-1]
    joined = [
        {
            **part.steps[-1].args,
            "release": _name(release),
            "plan": part.id,
            "converges": list(part.converges),
            "title": part.steps[-1].title,
        }
        for part, release in zip(others, releases[1:], strict=True)
    ]
    # What waits for sinks waits as one, however many aliases there are.
    waits = {"waits_as": pivot.args["epoch"]}
    before = [
        replace(step, args={**step.args, **waits}) if step.step == "hand_over_sink" else step
        for part in parts
        for step in part.steps[:-1]
    ]
    leading = [step for step in before if step.step in LEADING]
    gates = [step for step in before if step.step in PROMOTION_GATES]
    names = ", ".join(str(part.alias) for part in parts)
    go = (
        "go back together"
        if lead.kind is OperationKind.ROLL_BACK
        else "go live together; each is finalized and rolled back by itself"
    )
    return replace(
        lead,
        id=hashlib.sha256(" ".join(part.id for part in parts).encode()).hexdigest()[:16],
        steps=(
            *(step for step in before if step.step not in LEADING | PROMOTION_GATES),
            # Readers read them: not before everything else is there.
            *leading,
            *gates,
            replace(
                pivot,
                args={**pivot.args, "together": joined},
                title="; ".join(part.steps[-1].title for part in parts),
            ),
        ),
        warnings=(
            *dict.fromkeys(warning for part in parts for warning in part.warnings),
            f"{names} {go}",
        ),
    )


PROMOTION_GATES: Final = frozenset({"not_held", "no_foreign_edit", "bundle_fits"})
"""Names of what `promotion_gates` asks."""


LEADING: Final = frozenset({"lead_features", "swap_features"})
"""Names of the steps by which features go before the pivot, in place."""


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
            **_where(around),
        },
        title=f"switch every reader of {around.alias} to {bundle}",
    )


def _trial(around: Surroundings, bundle: BundleRef, trial: Trial) -> PlannedStep:
    share = f"{trial.percent} % of the requests" if trial.percent else "a copy of the requests"
    return PlannedStep(
        step="start_trial",
        args={
            "alias": str(around.alias),
            "bundle": str(bundle),
            "percent": trial.percent,
            "expected": None if around.live is None else str(around.live.release),
            "epoch": None,
        },
        title=f"give {bundle} {share} of {around.alias}",
    )


def plan_advance(
    around: Surroundings, *, canary: ReleaseRef, bundle: BundleRef, percent: int
) -> Plan:
    """Return the plan that gives *canary*, which has *bundle*, another share of the requests.

    Whoever serves is asked before it gets more of them; less it may get at any time.
    """
    grows = around.live is None or percent > around.live.canary_percent
    accepted = PlannedStep(
        step="fleet_accepts",
        args={"alias": str(around.alias), "canary": str(canary)},
        title=f"see that the processes that serve {around.alias} have not refused {bundle}",
    )
    steps = [
        *promotion_gates(around.alias, bundle),
        *([accepted] if grows else []),
        PlannedStep(
            step="set_share",
            args={
                "alias": str(around.alias),
                "bundle": str(bundle),
                "canary": str(canary),
                "percent": percent,
            },
            title=f"give {bundle} {percent} % of the requests of {around.alias}",
        ),
    ]
    return _plan(OperationKind.ADVANCE, around, steps, [])


def plan_end_trial(around: Surroundings, *, live: LiveRow, trial: ReleaseRef) -> Plan:
    """Return the plan that takes *trial* back. Nothing is before it but the one transaction.

    Its writes were staged, and are fenced and kept apart by what follows.
    """
    steps = [
        PlannedStep(
            step="end_trial",
            args={
                "alias": str(around.alias),
                "bundle": str(live.bundle),
                "expected": str(trial),
                "canary": trial == live.canary,
            },
            title=(
                f"give all requests of {around.alias} back to {live.bundle}"
                if trial == live.canary
                else f"end {trial}, the shadow of {around.alias}"
            ),
        )
    ]
    return _plan(OperationKind.ROLL_BACK, around, steps, [])


def promotion_gates(
    alias: AliasRef, bundle: BundleRef, *, together: Together = ALONE
) -> tuple[PlannedStep, ...]:
    """Return what is asked before *bundle* goes live on *alias*, the cheapest question first."""
    subject = {"alias": str(alias), "bundle": str(bundle)}
    others = {str(other): str(ref) for other, ref in sorted(together.items())}
    return (
        PlannedStep(step="not_held", args=subject, title=f"see that {bundle} is not on hold"),
        PlannedStep(
            step="no_foreign_edit",
            args=subject,
            title=f"see that nobody else moved the model's alias {alias.alias}",
        ),
        PlannedStep(
            step="bundle_fits",
            args={**subject, "together": others} if others else subject,
            title=f"check {bundle} against what is really there",
        ),
    )


def plan_finalize(around: Surroundings, *, live: LiveRow) -> Plan:
    """Return the plan that ends the soak of the live release."""
    steps = [
        *(
            PlannedStep(
                step="sink_as_registered",
                args={"sink": str(sink.ref), "epoch": live.epoch},
                title=f"see that {sink.table} of {sink.connection} answers and is as registered",
            )
            for sink in around.sinks
        ),
        PlannedStep(
            step="fleet_accepts",
            args={"alias": str(around.alias)},
            title=f"see that the processes that serve {around.alias} have not refused it",
        ),
        PlannedStep(
            step="begin_finalize",
            args={"alias": str(around.alias), "release": str(live.release)},
            title=f"begin to move the staged rows of {live.release} into their tables",
        ),
    ]
    return _plan(OperationKind.FINALIZE, around, steps, [])


def plan_rollback(
    around: Surroundings,
    *,
    live: LiveRow,
    bundle: BundleRef,
    restores: Release | None,
    warnings: Sequence[str] = (),
) -> Plan:
    """Return the plan that makes *bundle*, which was that of *restores*, live again.

    A fallback bundle restores no release: from it there is no target to go back to.

    Nothing but what safety needs stands before the pivot: the fences of the
    release that is left. No check, no plane, no reader is waited for.
    """
    steps = [
        *(
            PlannedStep(
                step="hand_over_sink",
                args={"sink": str(sink.ref), "closes": live.epoch, "epoch": None},
                title=f"fence the writers of {live.release} off {sink.table} of {sink.connection}",
            )
            for sink in around.sinks
        ),
        PlannedStep(
            step="switch_live",
            args={
                "alias": str(around.alias),
                "bundle": str(bundle),
                "kind": "ROLLBACK",
                "expected": str(live.release),
                # It inherits the target of what it restores: pressing on goes further back.
                "target": _name(None if restores is None else restores.target),
                "restores": _name(None if restores is None else restores.ref),
                "epoch": None,
                **_where(around),
            },
            title=f"switch every reader of {around.alias} back to {bundle}",
        ),
    ]
    return _plan(OperationKind.ROLL_BACK, around, steps, list(warnings))


def _name(ref: ReleaseRef | None) -> str | None:
    return None if ref is None else str(ref)


def _where(around: Surroundings) -> dict[str, str]:
    return {"feature_project": around.feature_project} if around.feature_project else {}


def _window(reader_cache: timedelta | None) -> str:
    """Return what is to be accepted: at least as long as readers keep definitions."""
    if reader_cache is None:
        return ", which does not go together: where definitions are kept, until it is restarted"
    least = f", for at least {reader_cache.total_seconds():g} s where definitions are kept"
    return f", which does not go together{least if reader_cache else ''}"


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _plan(
    kind: OperationKind,
    around: Surroundings,
    steps: list[PlannedStep],
    warnings: list[str],
    *,
    way: Way | None = None,
) -> Plan:
    form = {
        "version": PLAN_VERSION,
        "kind": kind.value,
        "alias": str(around.alias),
        "etag": around.etag,
        "steps": [[step.step, _reviewed(step.args)] for step in steps],
        "planes": list(around.planes),
        # A window that has to be accepted is another plan than one that goes together.
        **({} if way is None else {"way": way.value}),
    }
    text = json.dumps(form, sort_keys=True, separators=(",", ":"))
    return Plan(
        id=hashlib.sha256(text.encode()).hexdigest()[:16],
        kind=kind,
        alias=around.alias,
        etag=around.etag,
        steps=tuple(steps),
        converges=around.planes,
        warnings=tuple(warnings),
    )


def _reviewed(args: Json) -> dict[str, Any]:
    # Neither the epoch, which is reserved when the plan is run, nor the times of a
    # default window, which move with the clock.
    settled_later = {"epoch", *(("start", "end") if args.get("window_is_default") else ())}
    return {key: value for key, value in args.items() if key not in settled_later}
