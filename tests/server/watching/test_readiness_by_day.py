"""Whatever a rollback would miss is red after one look, by day, and forbids the next promotion."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.feast_objects import feast_objects
from tests.support.feast_repo import feast_warnings
from tests.support.git_repo import DvcRepository, dvc, write
from tests.support.real_world import MODEL_NAME, RealWorld, Site
from tests.support.values import ALIAS, NOON
from tests.support.world import INPUTS, OUTPUTS, World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import NotReadyError
from trilock.server.domain.release import ReleaseState
from trilock.server.planes.mlflow.runtime import new_client
from trilock.server.planes.pipeline.git_pipeline import GitPipeline
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.watching.prober import Prober

pytestmark = [pytest.mark.slow, feast_warnings]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "world").mkdir()
    with world(tmp_path / "world") as made:
        yield made


def look(w: World) -> tuple[str, tuple[str, ...]]:
    """Look once; return the state and the problems of the rollback target."""
    Prober(w.database, w, interval=60).look()
    found = describe_alias(w.runtime, ALIAS).readiness
    assert found is not None
    return found.state, found.problems


def record(w: World, revision: str) -> Bundle:
    w.features.commit(revision, folder="feature_repo", objects=feast_objects("celsius"))
    w.features.observe(
        "data/celsius.parquet", entity="JFK", at=NOON, values={"temp": 1.0, "humidity": 0.5}
    )
    version = w.registry.register("delay", inputs=INPUTS, outputs=OUTPUTS)
    return w.record_trained(version, revision)


def with_dvc(w: World, repository: DvcRepository, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Release a bundle of the branch `candidate`, then another; return the first, the target."""
    pipeline = GitPipeline(repository.work)
    planes = replace(w.planes("delay"), pipeline=pipeline)
    monkeypatch.setattr(w, "planes", lambda _model: planes)
    target = record(w, repository.other_data)
    w.release(target)
    w.promote(record(w, repository.first))
    w.settle()
    assert w.live().state is ReleaseState.SOAKING
    return target


def test_a_collected_object_is_red_after_one_look(
    w: World, dvc_repository: DvcRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_dvc(w, dvc_repository, monkeypatch)
    before = look(w)

    # Somebody cleans up on main, cache and remote alike.
    dvc(dvc_repository.work, "gc", "--workspace", "--cloud", "--force", "--quiet")

    assert before == ("READY", ())
    assert look(w) == (
        "NOT_READY",
        ("a rebuild would miss: 'model.bin' is not in the cache or remote 'storage'",),
    )


def test_a_corrupted_object_is_red_after_one_look(
    w: World, dvc_repository: DvcRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = with_dvc(w, dvc_repository, monkeypatch)
    before = look(w)
    (digest,) = [
        output.digest for output in target.pipeline_commit.outputs if output.path == "model.bin"
    ]
    assert digest is not None

    write(dvc_repository.copies(digest)[0], b"HEAVIER")

    state, (problem,) = look(w)
    assert before == ("READY", ())
    assert state == "NOT_READY"
    assert problem.startswith("a rebuild would miss: 'model.bin' is corrupt in the cache (its hash")
    assert problem.endswith("; remote 'storage' has it intact")


def test_what_replaces_it_is_refused_unless_that_is_accepted(
    w: World, dvc_repository: DvcRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_dvc(w, dvc_repository, monkeypatch)
    w.finalize()
    w.settle()
    third = record(w, dvc_repository.same_data)
    for copy in dvc_repository.copies("63f4f1e9b725370f459720575cd5f953"):
        write(copy, None)

    with pytest.raises(NotReadyError, match=r"a rebuild would miss: 'model\.bin' is not in the"):
        w.promote(third)
    operation = w.settled(w.promote(third, accept_unready="the data is on tape"))

    assert operation.cause.reason == "(accepted unready: the data is on tape)"
    assert w.live().bundle == third.ref


def test_features_that_lag_are_red_where_the_settings_say_so_and_stop_no_rollback(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = w.record()
    w.release(good)
    w.promote(w.record(variant="scaled"))
    w.settle()
    before = look(w)
    planes = replace(w.planes("delay"), max_feature_lag=timedelta(hours=26))
    monkeypatch.setattr(w, "planes", lambda _model: planes)

    state, problems = look(w)
    w.roll_back()
    w.settle()

    assert before == ("READY", ())
    assert state == "NOT_READY"
    assert any("is fed until 2013-06-02 12:00Z, more than 26 h ago" in one for one in problems)
    assert w.live().bundle == good.ref


def test_a_sink_that_a_target_does_not_fit_any_more_is_red(w: World) -> None:
    w.register()
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    before = look(w)
    with w.database.write() as session:
        session.connection().exec_driver_sql(
            "UPDATE sink SET columns = replace(columns, 'REAL', 'TEXT'), altered_ms = 1"
        )

    state, problems = look(w)

    assert before == ("READY", ())
    assert state == "NOT_READY"
    assert any("delay" in one for one in problems)


def test_a_deleted_version_of_a_real_registry_is_red_after_one_look(tmp_path: Path) -> None:
    site = Site(folder=tmp_path, store_url=f"sqlite:///{tmp_path / 'trilock.db'}", feast_url=None)
    real: Any = RealWorld(site)
    real.release(real.record())
    real.promote(real.record(variant="scaled"))
    real.settle()
    before = look(real)

    new_client(f"sqlite:///{tmp_path / 'mlflow.db'}").delete_model_version(MODEL_NAME, "1")
    after = look(real)
    real.close()

    assert before == ("READY", ())
    assert after == ("NOT_READY", ("version 1 of model 'delay-1' is gone",))
