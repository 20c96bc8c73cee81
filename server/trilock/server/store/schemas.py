"""Recorded feature schemas, their objects kept as blobs named by content."""

from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from trilock.server.domain.bundle import CapturedObject, FeatureCapture, FeatureSchema
from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.counters import next_number
from trilock.server.store.lookup import find_row
from trilock.server.store.tables import BlobRow, FeatureSchemaRow

# Made once: every bundle that is read has some.
_BLOBS: Final = select(BlobRow.digest, BlobRow.content).where(
    col(BlobRow.digest).in_(sa.bindparam("digests", expanding=True))
)


def get_schema(session: Session, ref: FeatureSchemaRef) -> FeatureSchema:
    """Return the recorded schema, bytes and all.

    Raises:
        NotFoundError: It was never recorded.
    """
    row = find_row(session, FeatureSchemaRow, service=ref.service, version=ref.version)
    if row is None:
        raise NotFoundError(str(ref))
    return _to_domain(session, row)


def list_schemas(
    session: Session, *, service: str | None, offset: int, limit: int
) -> list[FeatureSchema]:
    """Return schemas, newest first."""
    query = select(FeatureSchemaRow).order_by(
        col(FeatureSchemaRow.created_ms).desc(),
        col(FeatureSchemaRow.service),
        col(FeatureSchemaRow.version).desc(),
    )
    if service:
        query = query.where(FeatureSchemaRow.service == service)
    return [_to_domain(session, row) for row in session.exec(query.offset(offset).limit(limit))]


def record_schema(
    session: Session,
    capture: FeatureCapture,
    *,
    contract_digest: str,
    semantics_digest: str,
    docs_digest: str,
    creator: str,
) -> tuple[FeatureSchema, bool]:
    """Record *capture*, unless it is recorded already; return it, and whether it is new.

    Two captures are one schema when their bytes are equal, or when they were
    made at the same commit and all three digests agree: a serialised
    transformation carries the path it was loaded from (research/feast.md,
    section 2.4), so its bytes differ from checkout to checkout.
    """
    same_service = select(FeatureSchemaRow).where(
        FeatureSchemaRow.service == capture.service,
        FeatureSchemaRow.source_project == capture.project,
        FeatureSchemaRow.contract_digest == contract_digest,
        FeatureSchemaRow.semantics_digest == semantics_digest,
        FeatureSchemaRow.docs_digest == docs_digest,
    )
    for row in session.exec(same_service.order_by(col(FeatureSchemaRow.version))):
        same_commit = capture.revision is not None and row.source_revision == capture.revision
        if same_commit or row.definition_digest == capture.definition_digest:
            return _to_domain(session, row), False
    for item in capture.objects:
        if session.get(BlobRow, item.digest) is None:
            session.add(BlobRow(digest=item.digest, content=item.proto))
    row = FeatureSchemaRow(
        service=capture.service,
        version=next_number(session, f"featureSchemas/{capture.service}"),
        source_project=capture.project,
        source_revision=capture.revision,
        contract_digest=contract_digest,
        semantics_digest=semantics_digest,
        docs_digest=docs_digest,
        definition_digest=capture.definition_digest,
        objects=[[item.kind, item.name, item.digest] for item in capture.objects],
        feast_version=capture.feast_version,
        python_version=capture.python_version,
        created_ms=now_ms(),
        creator=creator,
    )
    session.add(row)
    session.flush()
    return _to_domain(session, row), True


def _to_domain(session: Session, row: FeatureSchemaRow) -> FeatureSchema:
    digests = {"digests": [digest for _, _, digest in row.objects]}
    blobs = {row.digest: row.content for row in session.connection().execute(_BLOBS, digests)}
    return FeatureSchema(
        ref=FeatureSchemaRef(row.service, row.version),
        capture=FeatureCapture(
            service=row.service,
            project=row.source_project,
            revision=row.source_revision,
            objects=tuple(
                CapturedObject(kind=kind, name=name, proto=blobs[digest])
                for kind, name, digest in row.objects
            ),
            definition_digest=row.definition_digest,
            feast_version=row.feast_version,
            python_version=row.python_version,
        ),
        contract_digest=row.contract_digest,
        semantics_digest=row.semantics_digest,
        docs_digest=row.docs_digest,
        created=to_datetime(row.created_ms),
        creator=row.creator,
    )
