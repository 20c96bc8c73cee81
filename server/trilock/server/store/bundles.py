"""Recorded bundles."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from trilock.server.domain.bundle import (
    Bundle,
    FeatureSchema,
    Json,
    ModelVersion,
    PipelineCommit,
    bundle_digest,
)
from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import BundleRef, FeatureSchemaRef, ModelName
from trilock.server.store import codec
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.counters import next_number
from trilock.server.store.lookup import find_row
from trilock.server.store.schemas import get_schema
from trilock.server.store.tables import BundleRow


def get_bundle(session: Session, ref: BundleRef) -> Bundle:
    """Return the recorded bundle.

    Raises:
        NotFoundError: It was never recorded.
    """
    return _to_domain(session, _row(session, ref))


def get_report(session: Session, ref: BundleRef) -> Mapping[str, Any]:
    """Return the report of the time of recording, as JSON."""
    return _row(session, ref).report


def list_bundles(
    session: Session, *, model: ModelName | None, offset: int, limit: int
) -> list[Bundle]:
    """Return bundles, newest first."""
    query = select(BundleRow).order_by(
        col(BundleRow.created_ms).desc(), col(BundleRow.model), col(BundleRow.number).desc()
    )
    if model:
        query = query.where(BundleRow.model == model)
    return [_to_domain(session, row) for row in session.exec(query.offset(offset).limit(limit))]


def record_bundle_row(
    session: Session,
    *,
    model: ModelName,
    model_version: ModelVersion,
    feature_schema: FeatureSchema,
    pipeline_commit: PipelineCommit,
    serving_config: Json,
    report: Json,
    creator: str,
) -> tuple[Bundle, bool]:
    """Record the tuple, unless it is recorded already; return it, and whether it is new."""
    digest = bundle_digest(
        model_version=model_version,
        feature_schema=feature_schema,
        pipeline_commit=pipeline_commit,
        serving_config=serving_config,
    )
    row = session.exec(
        select(BundleRow).where(BundleRow.model == model, BundleRow.digest == digest)
    ).one_or_none()
    if row is not None:
        return _to_domain(session, row), False
    row = BundleRow(
        model=model,
        number=next_number(session, f"models/{model}/bundles"),
        digest=digest,
        model_version=codec.model_version_to_json(model_version),
        service=feature_schema.ref.service,
        schema_version=feature_schema.ref.version,
        pipeline_commit=codec.pipeline_commit_to_json(pipeline_commit),
        serving_config=dict(serving_config),
        report=dict(report),
        created_ms=now_ms(),
        creator=creator,
    )
    session.add(row)
    session.flush()
    return _to_domain(session, row), True


def _row(session: Session, ref: BundleRef) -> BundleRow:
    row = find_row(session, BundleRow, model=ref.model, number=ref.number)
    if row is None:
        raise NotFoundError(str(ref), hint="`trilock bundles` lists what is recorded")
    return row


def _to_domain(session: Session, row: BundleRow) -> Bundle:
    return Bundle(
        ref=BundleRef(ModelName(row.model), row.number),
        digest=row.digest,
        model_version=codec.model_version_from_json(row.model_version),
        feature_schema=get_schema(session, FeatureSchemaRef(row.service, row.schema_version)),
        pipeline_commit=codec.pipeline_commit_from_json(row.pipeline_commit),
        serving_config=row.serving_config,
        created=to_datetime(row.created_ms),
        creator=row.creator,
    )
