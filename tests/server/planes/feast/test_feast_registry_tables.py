"""Our table definitions are Feast's."""

import pytest
from sqlalchemy import Table, create_engine

from tests.support.feast_repo import import_feast
from trilock.server.planes.feast.registry_tables import METADATA, OBJECTS

pytestmark = pytest.mark.slow

ENGINES = [create_engine(url) for url in ("postgresql+psycopg://", "sqlite://")]
"""Never connected: types are spelled for them."""


def columns(table: Table) -> list[tuple[object, ...]]:
    return [
        (
            column.name,
            *(column.type.compile(engine.dialect) for engine in ENGINES),
            column.nullable,
            column.primary_key,
        )
        for column in table.columns
    ]


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_a_table_is_as_in_feast(name: str) -> None:
    import_feast()
    from feast.infra.registry import sql  # noqa: PLC0415 - takes seconds

    real = sql.metadata.tables[name]

    assert sorted(columns(METADATA.tables[name])) == sorted(columns(real))


def test_every_table_with_views_of_a_service_is_known() -> None:
    import_feast()
    from feast.infra.registry import sql  # noqa: PLC0415 - takes seconds

    real = {
        name
        for name, table in sql.metadata.tables.items()
        if "feature_view_proto" in table.c and name != "feature_view_version_history"
    }

    ours = {table.table.name for kind, table in OBJECTS.items() if kind.endswith("_view")}
    assert ours == real
