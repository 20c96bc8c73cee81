"""Projects are removed when their time has come, and never while anything needs them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.values import MODEL
from tests.support.world import WINDOW, World, world
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.operations.steps.deploy_features import retirement_scope
from trilock.server.planes.memory.feature_store import MemoryFeatureStore
from trilock.server.usecases.retire_features import Retirement, retire_features
from trilock.server.workers.lease import Leases

LATER = datetime.now(UTC) + timedelta(days=15)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def retire(
    w: World, *, now: datetime = LATER, validate_only: bool = False
) -> tuple[Retirement, ...]:
    return retire_features(w.runtime, model=MODEL, validate_only=validate_only, now=now)


def is_there(w: World, schema: FeatureSchema) -> bool:
    return w.features.definition(schema.capture, project=schema.project) is not None


def three_releases(w: World) -> list[FeatureSchema]:
    """Release three schemas in a row; the first is needed by nothing any more."""
    schemas = []
    for variant in ("celsius", "scaled"):
        bundle = w.record(variant=variant)
        w.release(bundle)
        schemas.append(bundle.feature_schema)
    w.release(w.record(variant="scaled"))
    return schemas


def test_a_project_that_no_release_needs_is_removed_when_its_time_has_come(w: World) -> None:
    celsius, scaled = three_releases(w)

    early = retire(w, now=datetime.now(UTC) + timedelta(days=13))
    listed = retire(w, validate_only=True)
    before = is_there(w, celsius)
    removed = retire(w)
    again = retire(w)

    assert [(r.schema.project, r.retired) for r in early] == [(celsius.project, False)]
    assert [(r.schema.project, r.retired) for r in listed] == [(celsius.project, True)]
    assert before
    assert [(r.schema.project, r.retired) for r in removed] == [(celsius.project, True)]
    assert again == ()
    assert not is_there(w, celsius)
    assert is_there(w, scaled)


def test_a_live_bundle_and_its_target_keep_their_projects(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))

    assert retire(w, now=LATER + timedelta(days=1000)) == ()


def test_an_operation_that_is_not_done_keeps_its_project(w: World) -> None:
    three_releases(w)
    back = w.record(variant="celsius")

    w.promote(back)

    assert retire(w) == ()


def test_a_project_that_never_went_live_is_removed_too(w: World) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    operation = w.promote(bundle)
    w.runtime.journal.cancel(operation.id, reason="no")
    w.features.deploy(
        bundle.feature_schema.capture, project=bundle.feature_schema.project, expected=None
    )
    w.settle()

    assert [r.retired for r in retire(w)] == [True]
    assert not is_there(w, bundle.feature_schema)


def test_a_retired_project_comes_back_with_a_promotion(w: World) -> None:
    three_releases(w)
    retire(w)
    back = w.record(variant="celsius")

    w.release(back)

    (view,) = w.features.views(back.feature_schema.capture, project=back.feature_schema.project)
    assert (view.rows, view.fed_until) == (1, WINDOW.end)


def test_nobody_deploys_into_what_is_being_removed(w: World) -> None:
    celsius, _ = three_releases(w)
    leases = Leases(w.database, owner="somebody")
    with w.database.write() as session:
        lease = leases.claim(session, retirement_scope(celsius.project))
    assert lease is not None

    operation = w.settled(w.promote(w.record(variant="celsius")))

    deploy = next(step for step in operation.steps if step.step == "deploy_features")
    assert deploy.error == (f"{celsius.project} is locked by features retire, which removes it")
    assert not operation.done


def test_what_somebody_changed_is_left_and_named(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    celsius, _ = three_releases(w)
    from tests.support.feast_objects import feast_objects  # noqa: PLC0415 - beside its use

    w.features.apply(celsius.project, feast_objects("scaled"))

    (left,) = retire(w)

    assert not left.retired
    assert "someone else changed it" in left.error


def test_a_store_that_does_not_answer_is_named(w: World) -> None:
    three_releases(w)
    w.features.available = False

    (left,) = retire(w)

    assert isinstance(w.features, MemoryFeatureStore)
    assert (left.retired, left.error) == (
        False,
        "the Feast registry does not answer: it was switched off",
    )
