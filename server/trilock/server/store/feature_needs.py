"""Which feature schemas are needed, and until when those were that are not any more.

Needed is what a live bundle, its rollback target, a fallback bundle, or an
operation that is not done reads or is about to. Schemas are compared whatever the model: two models
may read the same one from the same store.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, select

from trilock.server.domain.names import FeatureSchemaRef, ModelName
from trilock.server.domain.operation import OperationState
from trilock.server.store.clock import to_datetime
from trilock.server.store.tables import BundleRow, FallbackRow, LiveTable, OperationRow, ReleaseRow

_UNDONE = {
    OperationState.RUNNING.value,
    OperationState.COMPENSATING.value,
    OperationState.CONVERGING.value,
}


def bundled_schemas(session: Session, model: ModelName) -> list[FeatureSchemaRef]:
    """Return every schema that a bundle of *model* has, sorted."""
    query = (
        select(BundleRow.service, BundleRow.schema_version)
        .where(BundleRow.model == model)
        .distinct()
        .order_by(col(BundleRow.service), col(BundleRow.schema_version))
    )
    return [FeatureSchemaRef(service, version) for service, version in session.exec(query)]


def needed_until(session: Session, schema: FeatureSchemaRef) -> datetime | None:
    """Return when *schema* was last needed; None if it is needed now."""
    bundles = {
        (row.model, row.number): row.created_ms
        for row in session.exec(
            select(BundleRow).where(
                BundleRow.service == schema.service, BundleRow.schema_version == schema.version
            )
        )
    }
    releases = {
        (row.model, row.number): row
        for row in session.exec(
            select(ReleaseRow).where(col(ReleaseRow.model).in_({model for model, _ in bundles}))
        )
    }
    of_schema = {
        key for key, release in releases.items() if (release.model, release.bundle) in bundles
    }
    for live in session.exec(select(LiveTable)):
        if {(live.model, live.release), (live.model, live.target)} & of_schema:
            return None
    for fallback in session.exec(select(FallbackRow)):
        if (fallback.model, fallback.bundle) in bundles:
            return None
    ends = [
        release.ended_ms
        for key, release in releases.items()
        if release.ended_ms is not None
        and (key in of_schema or (release.model, release.target) in of_schema)
    ]
    names = {f"models/{model}/bundles/{number}" for model, number in bundles}
    operations = _operations_on(session, names, models={model for model, _ in bundles})
    if any(operation.state in _UNDONE for operation in operations):
        return None
    ends += [operation.ended_ms for operation in operations if operation.ended_ms is not None]
    return to_datetime(max([*bundles.values(), *ends]))


def _operations_on(
    session: Session, bundles: Iterable[str], *, models: Iterable[str]
) -> list[OperationRow]:
    wanted = set(bundles)
    query = select(OperationRow).where(col(OperationRow.model).in_(set(models)))
    return [
        row
        for row in session.exec(query)
        if any(step["args"].get("bundle") in wanted for step in row.plan["steps"])
    ]
