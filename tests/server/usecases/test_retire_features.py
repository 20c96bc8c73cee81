"""Projects are removed when their time has come, and never while anything needs them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.sharing_world import sharing_world
from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, WINDOW, World, world
from trilock.server.domain.bundle import FeatureCapture, FeatureSchema
from trilock.server.domain.errors import BusyError, NoSafeTargetError
from trilock.server.domain.names import BundleRef
from trilock.server.operations.steps.deploy_features import retirement_scope
from trilock.server.planes.memory.feature_store import MemoryFeatureStore
from trilock.server.planning.trial import Trial
from trilock.server.store.feature_needs import needs
from trilock.server.usecases.manage_fallback import clear_fallback, set_fallback
from trilock.server.usecases.retire_features import retire_features
from trilock.server.watching.retirer import Retirement
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


@pytest.mark.parametrize("percent", [5, 0])
def test_what_is_on_trial_keeps_its_project(w: World, percent: int) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    w.settled(w.promote(bundle, trial=Trial(percent=percent)))
    (trial,) = w.live().trials

    kept = retire(w, now=LATER + timedelta(days=1000))
    w.roll_back(leaves=trial)
    w.settle()

    assert kept == ()
    assert [r.schema.project for r in retire(w)] == [bundle.feature_schema.project]


def test_a_fallback_bundle_keeps_its_project(w: World) -> None:
    celsius, _ = three_releases(w)
    first = BundleRef(MODEL, 1)
    set_fallback(
        w.runtime, alias=ALIAS, bundle=first, reason="", validate_only=False, principal=ANN
    )
    kept = retire(w)
    clear_fallback(w.runtime, alias=ALIAS, reason="", principal=ANN)

    assert kept == ()
    assert [r.schema.project for r in retire(w)] == [celsius.project]


def test_what_was_left_keeps_its_project_until_every_plane_has_followed(w: World) -> None:
    w.release(w.record())
    bad = w.record(variant="scaled")
    w.release(bad)
    w.roll_back()
    w.pivot()
    assert w.live().bundle != bad.ref

    kept = retire(w)
    w.settle()

    assert kept == ()
    assert [r.schema.project for r in retire(w)] == [bad.feature_schema.project]


def test_nobody_goes_back_to_what_is_being_removed(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_releases(w)
    refused: list[str] = []
    remove = w.features.retire

    def going_back(capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        with pytest.raises(NoSafeTargetError, match="is locked by features retire"):
            w.roll_back(to_bundle=BundleRef(MODEL, 1))
        with pytest.raises(BusyError, match="is locked by features retire"):
            set_fallback(
                w.runtime,
                alias=ALIAS,
                bundle=BundleRef(MODEL, 1),
                reason="",
                validate_only=False,
                principal=ANN,
            )
        refused.append(project)
        return remove(capture, project=project)

    monkeypatch.setattr(w.features, "retire", going_back)

    (removed,) = retire(w)

    assert removed.retired
    assert refused == [removed.schema.project]


def test_a_rollback_that_began_before_a_removal_is_seen_by_it(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    celsius, _ = three_releases(w)
    definition = w.features.definition

    def then_back(capture: FeatureCapture, *, project: str) -> str | None:
        # After the look at what is needed, and before the removal, somebody presses.
        monkeypatch.setattr(w.features, "definition", definition)
        w.roll_back(to_bundle=BundleRef(MODEL, 1))
        return definition(capture, project=project)

    monkeypatch.setattr(w.features, "definition", then_back)

    (kept,) = retire(w)
    w.settle()

    assert kept.error == "it has come to be needed again"
    assert is_there(w, celsius)
    assert w.live().bundle == BundleRef(MODEL, 1)


def test_a_promotion_of_several_keeps_the_projects_of_all(tmp_path: Path) -> None:
    with sharing_world(tmp_path) as made:
        pair = [made.record_of(model, source="scaled") for model in ("delay", "eta")]
        made.start_together(*pair)

        with made.database.read() as session:
            found = needs(session)

    assert [found[bundle.feature_schema.ref] for bundle in pair] == [None, None]
