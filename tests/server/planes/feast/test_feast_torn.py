"""Ten views change together or not at all: what Feast itself does not do, and ours does."""

import pytest
from sqlalchemy import event

from tests.support.feast_appliers import (
    PROJECT,
    VIEWS,
    both_captures,
    changed,
    deploy_among_appliers,
    ten_views,
)
from tests.support.feast_repo import FeastWorld, feast_warnings
from tests.support.feast_statements import CrashError, watched

pytestmark = [pytest.mark.slow, feast_warnings]


def test_a_crash_after_the_sixth_write_leaves_five_with_feast_and_none_with_ours(
    world: FeastWorld,
) -> None:
    narrow, wide = both_captures(world)
    objects = world.objects(ten_views(wide=True), name="naive")
    store = world.feast(PROJECT)
    store.registry.cache_mode = "thread"
    writes: list[str] = []

    def die(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.upper().startswith("UPDATE FEATURE_VIEWS"):
            writes.append(statement)
            if len(writes) == 6:
                raise CrashError(statement)

    event.listen(store.registry.write_engine, "before_cursor_execute", die)
    with pytest.raises(CrashError):
        store.apply(objects)
    naive = changed(world, wide)
    found = world.store.definition(narrow, project=PROJECT)
    world.store.deploy(narrow, project=PROJECT, expected=found)

    ours: list[int] = []
    while True:
        with watched(world.store, crash_at=len(ours)):
            try:
                world.store.deploy(wide, project=PROJECT, expected=narrow.definition_digest)
                break
            except CrashError:
                ours.append(changed(world, narrow))

    assert 0 < naive < VIEWS
    assert len(ours) >= 3  # history, all ten rows at once, the project's stamp
    assert set(ours) == {VIEWS}


def test_no_deploy_among_two_appliers_is_torn(world: FeastWorld) -> None:
    found = deploy_among_appliers(world, rounds=50, seed=4)

    assert found.get("torn", 0) == 0
    assert found["deployed"] > 5
    assert found["others"] > 0
