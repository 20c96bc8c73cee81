"""The tables of Feast's SQL registry that trilock reads and writes.

Names and columns as in `feast/infra/registry/sql.py` of 0.67; a test compares
them with the real ones.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

METADATA: Final = MetaData()

PROJECTS: Final = Table(
    "projects",
    METADATA,
    Column("project_id", String(255), primary_key=True),
    Column("project_name", String(255), nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("project_proto", LargeBinary, nullable=False),
)

HISTORY: Final = Table(
    "feature_view_version_history",
    METADATA,
    Column("feature_view_name", String(255), primary_key=True),
    Column("project_id", String(255), primary_key=True),
    Column("version_number", Integer, primary_key=True),
    Column("feature_view_type", String(50), nullable=False),
    Column("feature_view_proto", LargeBinary, nullable=False),
    Column("created_timestamp", BigInteger, nullable=False),
    Column("description", Text, nullable=True),
    Column("version_id", String(36), nullable=False),
)

FEAST_METADATA: Final = Table(
    "feast_metadata",
    METADATA,
    Column("project_id", String(255), primary_key=True),
    Column("metadata_key", String(50), primary_key=True),
    Column("metadata_value", Text, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTable:
    """Where the objects of one kind are."""

    table: Table
    name: Column[str]
    proto: Column[bytes]

    @property
    def project(self) -> Column[str]:
        """The column with the project."""
        column: Column[str] = self.table.c.project_id
        return column


def _object_table(table: str, prefix: str, *extra: str) -> ObjectTable:
    name: Column[str] = Column(f"{prefix}_name", String(255), primary_key=True)
    proto: Column[bytes] = Column(f"{prefix}_proto", LargeBinary, nullable=False)
    return ObjectTable(
        table=Table(
            table,
            METADATA,
            name,
            Column("project_id", String(255), primary_key=True),
            Column("last_updated_timestamp", BigInteger, nullable=False),
            proto,
            *(Column(column, LargeBinary, nullable=True) for column in extra),
        ),
        name=name,
        proto=proto,
    )


OBJECTS: Final = MappingProxyType(
    {
        "entity": _object_table("entities", "entity"),
        "data_source": _object_table("data_sources", "data_source"),
        "feature_view": _object_table(
            "feature_views", "feature_view", "materialized_intervals", "user_metadata"
        ),
        "stream_feature_view": _object_table(
            "stream_feature_views", "feature_view", "user_metadata"
        ),
        "on_demand_feature_view": _object_table(
            "on_demand_feature_views", "feature_view", "user_metadata"
        ),
        "label_view": _object_table("label_views", "feature_view", "user_metadata"),
        "feature_service": _object_table("feature_services", "feature_service"),
    }
)
"""By kind."""
