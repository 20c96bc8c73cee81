"""What is shared is told from what Feast really writes, not only from the tests' own objects."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.feast_repo import ForkWorker, SqliteWorld, feast_warnings, features_py
from tests.support.values import bundle, feature_schema, model_version
from trilock.compat import NullPolicy, Policy, Report, Subject, check, parse_features
from trilock.server.checks.sharing import Mirrored, Reader, consumers, shared_states
from trilock.server.domain.bundle import FeatureCapture, FeatureSchema

pytestmark = [pytest.mark.slow, feast_warnings]

READS_TEMP = '[{"type": "double", "name": "temp", "required": true}]'
NEVER = Policy(null_policy=NullPolicy.NEVER_MISSING)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SqliteWorld]:
    world = SqliteWorld(tmp_path / "feast", worker=ForkWorker())
    yield world
    world.close()


def capture(world: SqliteWorld, text: str) -> FeatureCapture:
    return world.store.capture_repository(
        repository=world.repository,
        revision=world.commit_text(text),
        folder="features",
        service="delay",
    )


def schema(captured: FeatureCapture) -> FeatureSchema:
    parts = feature_schema()
    return FeatureSchema(
        ref=parts.ref,
        capture=captured,
        contract_digest=parts.contract_digest,
        semantics_digest=parts.semantics_digest,
        docs_digest=parts.docs_digest,
        created=parts.created,
        creator=parts.creator,
    )


def of(world: SqliteWorld, captured: FeatureCapture) -> Subject:
    described = world.store.describe(captured)
    features = parse_features(described, service=captured.service)
    return Subject(name="models/delay/bundles/2", signature=None, features=features)


def others(report: Report) -> list[tuple[str, str]]:
    return sorted((one.rule, one.path) for one in report.findings if one.rule[:3] == "CON")


def test_a_reader_of_the_mirror_is_told_what_changes_for_it(world: SqliteWorld) -> None:
    celsius = capture(world, features_py("celsius"))
    scaled = capture(world, features_py("scaled"))
    same = capture(world, f"# the same, elsewhere\n{features_py('celsius')}")
    reads = bundle(4, feature_schema=schema(celsius), model_version=model_version("4"))
    reader = Reader(bundle=reads, policy=NEVER)

    def report(captured: FeatureCapture) -> Report:
        affected = list(consumers(world.store, [reader], capture=captured))
        return check(of(world, captured), consumers=affected)

    assert others(report(same)) == []
    assert others(report(scaled)) == [("CON002", "models/delay/bundles/4/weather:temp")]


def test_a_bundle_is_told_what_a_rollback_elsewhere_would_leave(world: SqliteWorld) -> None:
    celsius = capture(world, features_py("celsius"))
    scaled = capture(world, features_py("scaled"))
    back = Mirrored(cause="rolling back it", bundle=bundle(1, feature_schema=schema(celsius)))

    states = list(shared_states(world.store, [back], capture=scaled))
    report = check(of(world, scaled), shared=states)

    # temp is made from another file then; and the service has the same name on both
    # sides, so it is the other one's: humidity is gone.
    assert others(report) == [("CON003", "derived:temp_distance"), ("CON003", "weather:temp")]
    assert sorted(one.ref for one in states[0].after.features) == [
        "derived:temp_distance",
        "weather:temp",
    ]
