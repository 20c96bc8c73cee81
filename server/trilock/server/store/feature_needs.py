"""Which feature schemas are needed, and until when those were that are not any more.

Needed is what a live bundle, its rollback target, what is on trial beside it, a fallback
bundle, or an operation that is not done reads or is about to; and what was just left, until
every plane has followed. Schemas are compared whatever the model: two models may read the
same one from the same store.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from trilock.server.domain.names import BundleRef, FeatureSchemaRef, ModelName
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


def needs(session: Session) -> dict[FeatureSchemaRef, datetime | None]:
    """Return when each schema that a bundle has was last needed; None if it is needed now."""
    now: set[FeatureSchemaRef] = set()
    ends: dict[FeatureSchemaRef, int] = {}
    for schema, ended in _Known(session).uses(session):
        if ended is None:
            now.add(schema)
        else:
            ends[schema] = max(ended, ends.get(schema, ended))
    return {schema: None if schema in now else to_datetime(ended) for schema, ended in ends.items()}


class _Known:
    """What is recorded, and what it uses."""

    def __init__(self, session: Session) -> None:
        """Read all bundles and releases."""
        self._bundles = {(row.model, row.number): row for row in session.exec(select(BundleRow))}
        self._releases = {(row.model, row.number): row for row in session.exec(select(ReleaseRow))}

    def uses(self, session: Session) -> Iterator[tuple[FeatureSchemaRef, int | None]]:
        """Yield each use of a schema, and when it ended; None if it has not."""
        for bundle in self._bundles.values():
            yield _schema(bundle), bundle.created_ms
        for release in self._releases.values():
            if release.ended_ms is not None:
                for number in (release.number, release.target):
                    yield from self._of_release(release.model, number, release.ended_ms)
        for live in session.exec(select(LiveTable)):
            for number in self._beside(live):
                yield from self._of_release(live.model, number, None)
        for fallback in session.exec(select(FallbackRow)):
            yield _schema(self._bundles[fallback.model, fallback.bundle]), None
        for state, ended_ms, plan in session.exec(
            select(OperationRow.state, OperationRow.ended_ms, OperationRow.plan)
        ):
            for schema in self._planned(plan):
                yield schema, None if state in _UNDONE else ended_ms

    def _of_release(
        self, model: str, number: int | None, ended: int | None
    ) -> Iterator[tuple[FeatureSchemaRef, int | None]]:
        if number is not None and (release := self._releases.get((model, number))) is not None:
            yield _schema(self._bundles[model, release.bundle]), ended

    def _beside(self, live: LiveTable) -> Iterator[int | None]:
        """Yield the number of every release that *live* needs."""
        yield from (live.release, live.target, live.canary, live.shadow)
        if live.converged_revision != live.revision:
            # In place its tables are on their way out of the project that readers read.
            yield self._releases[live.model, live.release].leaves

    def _planned(self, plan: Mapping[str, Any]) -> Iterator[FeatureSchemaRef]:
        """Yield the schema of every bundle that *plan* names, and those that it names itself."""
        for step in plan["steps"]:
            args = step["args"]
            for named in (args, *args.get("together", ())):
                if "bundle" in named:
                    ref = BundleRef.parse(named["bundle"])
                    yield _schema(self._bundles[ref.model, ref.number])
            if "feature_schema" in args:
                yield FeatureSchemaRef.parse(args["feature_schema"])


def _schema(bundle: BundleRow) -> FeatureSchemaRef:
    return FeatureSchemaRef(bundle.service, bundle.schema_version)
