"""Releases, plans and operations of one model, as messages for tests."""

from __future__ import annotations  # an enum's ValueType is in the stubs only

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from trilock.v1.operation_pb2 import (
    Operation,
    OperationError,
    OperationState,
    OperationStep,
)
from trilock.v1.operation_service_pb2 import WaitOperationResponse
from trilock.v1.release_pb2 import (
    Alias,
    Cause,
    Plan,
    PlaneStatus,
    PlanStep,
    Readiness,
    Release,
    ReleaseKind,
    ReleaseSink,
    ReleaseState,
)
from trilock.v1.release_service_pb2 import PlanRollbackResponse
from trilock.v1.report_pb2 import Finding, Report, Severity, Verdict

ALIAS = "models/delay/aliases/production"
OPERATION = "operations/0123456789abcdef0123456789abcdef"

ERROR = Finding(
    rule="FIT002",
    severity=Severity.SEVERITY_ERROR,
    path="temp",
    message="the model reads 'temp' as double, it is string",
    remedy="train on the new type",
)
WARNING = Finding(
    rule="SEM001",
    severity=Severity.SEVERITY_WARNING,
    path="wind",
    message="'wind' is made in another way",
)
INCOMPATIBLE = Report(verdict=Verdict.VERDICT_INCOMPATIBLE, findings=[ERROR, WARNING])
WARNINGS = Report(verdict=Verdict.VERDICT_COMPATIBLE_WITH_WARNINGS, findings=[WARNING])
COMPATIBLE = Report(verdict=Verdict.VERDICT_COMPATIBLE)
UNDECIDABLE = Report(verdict=Verdict.VERDICT_UNDECIDABLE)


def ago(**span: float) -> Timestamp:
    """Return the time so long ago."""
    timestamp = Timestamp()
    timestamp.FromDatetime(datetime.now(tz=UTC) - timedelta(**span))
    return timestamp


def release(
    number: int,
    *,
    bundle: int,
    rollback: bool = False,
    leaves: int | None = None,
    leaves_bundle: int | None = None,
    by: str = "alice",
    since: Timestamp | None = None,
    state: ReleaseState.ValueType = ReleaseState.RELEASE_STATE_SOAKING,
    staged_rows: int = 0,
) -> Release:
    """Return the release of *bundle* with that number."""
    kind = ReleaseKind.RELEASE_KIND_ROLLBACK if rollback else ReleaseKind.RELEASE_KIND_PROMOTION
    sinks = [
        ReleaseSink(sink="models/delay/sinks/predictions", state="STAGED", staged_rows=staged_rows)
    ]
    return Release(
        name=f"models/delay/releases/{number}",
        alias=ALIAS,
        bundle=f"models/delay/bundles/{bundle}",
        kind=kind,
        state=state,
        leaves=f"models/delay/releases/{leaves}" if leaves else "",
        leaves_bundle=f"models/delay/bundles/{leaves_bundle}" if leaves_bundle else "",
        revision=number * 10,
        start_time=since or ago(hours=1),
        cause=Cause(principal=by, reason="because", incident="INC-7"),
        sinks=sinks if staged_rows else [],
    )


def alias(live: Release, *, target: Release | None = None, operation: str = "") -> Alias:
    """Return the alias on which *live* is live."""
    ready = Readiness.STATE_READY if target else Readiness.STATE_NO_TARGET
    return Alias(
        name=ALIAS,
        etag='"20"',
        live=live,
        target=target,
        readiness=Readiness(state=ready, check_time=ago(seconds=20)),
        planes=[
            PlaneStatus(plane="model_alias", converged=True, wanted="2"),
            PlaneStatus(
                plane="feature_mirror",
                wanted="a1",
                found="b2",
                attempts=3,
                error="no answer within 2 s",
                next_try_time=ago(seconds=-5),
            ),
        ],
        operation=operation,
    )


def plan(*, kind: str = "PROMOTE", origin: int = 1, to: int = 2, report: Report) -> Plan:
    """Return a plan from one bundle to another."""
    return Plan(
        id="p1",
        alias=ALIAS,
        kind=kind,
        etag='"20"',
        from_bundle=f"models/delay/bundles/{origin}",
        to_bundle=f"models/delay/bundles/{to}",
        steps=[
            PlanStep(step="check_bundle", title="check bundle against what is there"),
            PlanStep(step="switch", title="make it live", pivot=True),
            PlanStep(step="model_alias", title="move MLflow's alias", converges=True),
        ],
        report=report,
        warnings=["2 rows of another writer stay"],
    )


def rollback_plan() -> PlanRollbackResponse:
    """Return the plan from release 2 with bundle 2 back to bundle 1."""
    return PlanRollbackResponse(
        plan=plan(kind="ROLL_BACK", origin=2, to=1, report=COMPATIBLE),
        leaves=release(2, bundle=2),
        restores=release(1, bundle=1, state=ReleaseState.RELEASE_STATE_FINALIZED),
    )


def operation(
    state: OperationState.ValueType = OperationState.OPERATION_STATE_RUNNING,
    *,
    kind: str = "PROMOTE",
    bundle: int = 2,
    release: int = 2,
    pivot_revision: int = 0,
    steps: tuple[tuple[str, str], ...] = (),
    converged: bool = True,
    error: OperationError | None = None,
) -> Operation:
    """Return an operation in *state*; its steps are (name, state)."""
    plane = PlaneStatus(plane="model_alias", converged=converged)
    if not converged:
        plane.error = "no answer within 2 s"
    return Operation(
        name=OPERATION,
        kind=kind,
        alias=ALIAS,
        state=state,
        done=state
        in {
            OperationState.OPERATION_STATE_SUCCEEDED,
            OperationState.OPERATION_STATE_COMPENSATED,
            OperationState.OPERATION_STATE_SUPERSEDED,
        },
        release=f"models/delay/releases/{release}",
        bundle=f"models/delay/bundles/{bundle}",
        steps=[OperationStep(step=step, title=f"{step} it", state=at) for step, at in steps],
        planes=[plane] if pivot_revision else [],
        pivot_revision=pivot_revision,
        error=error,
        cause=Cause(principal="bob", reason="because"),
        create_time=ago(seconds=3),
    )


def waited(operation: Operation, *, version: int) -> WaitOperationResponse:
    """Return what WaitOperation answers."""
    return WaitOperationResponse(operation=operation, version=version)
