"""Online tables are the ones that Feast would have made."""

from typing import Any

import pytest
from sqlalchemy import Inspector, inspect

from tests.support.feast_repo import FeastWorld, PostgresWorld, feast_warnings
from trilock.server.domain.errors import PreconditionError

pytestmark = [pytest.mark.slow, feast_warnings]


def online_tables(world: FeastWorld, project: str) -> dict[str, Any]:
    """Return columns, key and indexes of the project's online tables, without its name."""
    assert world.store._stores.online is not None
    with world.store._stores.online.database.begin("read") as connection:
        inspector = inspect(connection)
        schema = "features" if isinstance(world, PostgresWorld) else None
        return {
            name.removeprefix(project): _shape(inspector, name, schema=schema, project=project)
            for name in inspector.get_table_names(schema=schema)
            if name.startswith(f"{project}_")
        }


def _shape(inspector: Inspector, name: str, *, schema: str | None, project: str) -> list[Any]:
    return [
        [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name, schema)],
        inspector.get_pk_constraint(name, schema)["constrained_columns"],
        sorted(
            (str(i["name"]).removeprefix(project), str(i["column_names"]), i.get("expressions"))
            for i in inspector.get_indexes(name, schema)
        ),
    ]


def test_feast_finds_nothing_to_change(world: FeastWorld) -> None:
    world.apply("celsius")
    for service in ("delay", "places"):
        captured = world.store.capture_project(project="delay", service=service)
        expected = world.store.definition(captured, project="other")
        world.store.deploy(captured, project="other", expected=expected)
    ours = online_tables(world, "other")

    store = world.feast("other")
    store.provider.update_infra(
        project="other",
        tables_to_delete=[],
        tables_to_keep=store.list_feature_views(),
        entities_to_delete=[],
        entities_to_keep=store.list_entities(),
        partial=True,
    )

    assert sorted(ours) == ["_airports", "_weather"]
    assert online_tables(world, "other") == ours
    assert online_tables(world, "delay") == ours  # which Feast made


def test_a_name_that_postgresql_would_cut_off_is_refused(postgres_world: PostgresWorld) -> None:
    postgres_world.apply("celsius")
    captured = postgres_world.store.capture_project(project="delay", service="delay")
    longest, too_long = "p" * 55, "p" * 56

    postgres_world.store.deploy(captured, project=longest, expected=None)
    with pytest.raises(PreconditionError, match="two views could share one table"):
        postgres_world.store.deploy(captured, project=too_long, expected=None)

    assert postgres_world.store.definition(captured, project=too_long) is None
