"""What was recorded: captured bytes, feature schemas, bundles."""

from typing import Any, Optional

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


class BlobRow(SQLModel, table=True):
    """Captured bytes, by their SHA-256."""

    __tablename__ = "blob"

    digest: str = Field(primary_key=True, max_length=64)
    content: bytes


class FeatureSchemaRow(SQLModel, table=True):
    """A captured feature schema; its objects' bytes are blobs."""

    __tablename__ = "feature_schema"

    service: str = Field(primary_key=True, max_length=128)
    version: int = Field(primary_key=True)
    source_project: str = Field(max_length=255)
    source_revision: Optional[str] = Field(default=None, max_length=40)  # noqa: UP045 - SQLModel
    contract_digest: str = Field(max_length=64)
    semantics_digest: str = Field(max_length=64)
    docs_digest: str = Field(max_length=64)
    definition_digest: str = Field(max_length=64, index=True)
    objects: list[list[str]] = json_column()
    """[[kind, name, blob digest], ...], sorted."""
    feast_version: str = Field(max_length=32)
    python_version: str = Field(max_length=16)
    created_ms: int = big()
    creator: str = Field(max_length=128)


class BundleRow(SQLModel, table=True):
    """A recorded bundle. Never updated, never deleted."""

    __tablename__ = "bundle"
    __table_args__ = (sa.UniqueConstraint("model", "digest"),)

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    digest: str = Field(max_length=64)
    model_version: dict[str, Any] = json_column()
    service: str = Field(max_length=128)
    schema_version: int
    pipeline_commit: dict[str, Any] = json_column()
    serving_config: dict[str, Any] = json_column()
    report: dict[str, Any] = json_column()
    created_ms: int = big()
    creator: str = Field(max_length=128)
