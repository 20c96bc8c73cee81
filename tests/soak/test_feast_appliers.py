"""500 deploys while two others apply: never half of one.

The seed is printed; SOAK_SEED repeats it.
"""

import os
import secrets
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.feast_appliers import deploy_among_appliers
from tests.support.feast_repo import FeastWorld, PostgresWorld, SqliteWorld, feast_warnings

pytestmark = [pytest.mark.slow, feast_warnings]

ROUNDS = 500


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_deploy_is_ever_torn(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    seed = int(os.environ.get("SOAK_SEED") or secrets.randbelow(1 << 32))
    print(f"\nSOAK_SEED={seed}")  # noqa: T201 - to repeat it
    world: FeastWorld
    if database == "sqlite":
        world = SqliteWorld(tmp_path / "feast", online="registry.db")
    else:
        url = make_url(request.getfixturevalue("postgres_database"))
        world = PostgresWorld(tmp_path / "feast", url=url)

    found = deploy_among_appliers(world, rounds=ROUNDS, seed=seed)
    world.close()

    print(found)  # noqa: T201 - what it was worth
    assert found.get("torn", 0) == 0
    assert found["deployed"] > ROUNDS / 10
    assert found["others"] > 0
