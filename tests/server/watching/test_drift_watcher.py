"""What others change in the planes is on record until it is gone, or is taken back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.feast_objects import feast_objects
from tests.support.values import ALIAS
from tests.support.world import WINDOW, World, world
from trilock.server.domain.bundle import Bundle, FeatureCapture
from trilock.server.domain.errors import NotFoundError, RequestIdReusedError, WrongStateError
from trilock.server.domain.operation import OperationState
from trilock.server.planning.trial import Trial
from trilock.server.store.drifts import Drift, list_drifts
from trilock.server.usecases.adopt import Adopted, adopt
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.reassert import reassert
from trilock.server.watching.drift_watcher import DriftWatcher


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def watcher(w: World) -> DriftWatcher:
    return DriftWatcher(w.database, w, interval=60)


def drifts(w: World) -> tuple[Drift, ...]:
    return describe_alias(w.runtime, ALIAS).drifts


def history(w: World) -> list[str]:
    with w.database.read() as session:
        found = list_drifts(session, alias=ALIAS, ended=True, offset=0, limit=10)
    return [f"{drift.plane} {'ended' if drift.ended else 'open'}" for drift in found]


def move_alias(w: World, version: str | None) -> None:
    w.registry.set_alias(model="delay", alias="production", version=version)


def definition(w: World, bundle: Bundle, *, project: str) -> bool:
    """Return whether *project* defines what *bundle* recorded."""
    capture = bundle.feature_schema.capture
    return w.features.definition(capture, project=project) == capture.definition_digest


def rolled_back(w: World) -> tuple[Bundle, Bundle]:
    """Return the bundle that is live again, and the bad one."""
    good, bad = w.record(), w.record(variant="scaled")
    w.release(good)
    w.release(bad)
    w.roll_back()
    w.settle()
    assert w.live().bundle == good.ref
    return good, bad


def adopting(w: World, *, request_id: str = "") -> Adopted:
    return adopt(
        w.runtime,
        alias=ALIAS,
        window=WINDOW,
        reason="",
        accept_unready="",
        request_id=request_id,
        validate_only=False,
        principal="ann",
    )


def test_what_nobody_changed_is_no_drift(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())

    watcher.look()

    assert drifts(w) == ()


def test_a_moved_alias_is_reported_and_stays(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    w.train(variant="scaled")
    move_alias(w, "2")

    watcher.look()
    watcher.look()
    w.settle()

    (drift,) = drifts(w)
    assert (drift.plane, drift.deviation.wanted, drift.deviation.found) == ("model_alias", "1", "2")
    assert drift.deviation.changes == (
        "alias production of MLflow model delay points at version 2, not at version 1",
    )
    assert (drift.held, drift.reasserted) == (None, False)
    assert w.alias() == "2"
    assert history(w) == ["model_alias open"]


def test_a_removed_alias_is_reported(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    move_alias(w, None)

    watcher.look()

    (drift,) = drifts(w)
    assert drift.deviation.changes == (
        "alias production of MLflow model delay was removed; it pointed at version 1",
    )


def test_what_is_put_back_by_hand_is_gone(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    w.train(variant="scaled")
    move_alias(w, "2")
    watcher.look()
    move_alias(w, "1")

    watcher.look()

    assert drifts(w) == ()
    assert history(w) == ["model_alias ended"]


def test_another_move_is_another_drift(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    w.train(variant="scaled")
    move_alias(w, "2")
    watcher.look()
    move_alias(w, None)

    watcher.look()

    assert [drift.deviation.found for drift in drifts(w)] == [""]
    assert history(w) == ["model_alias open", "model_alias ended"]


def test_the_next_apply_after_a_rollback_does_not_undo_it(w: World, watcher: DriftWatcher) -> None:
    good, bad = rolled_back(w)
    w.features.apply("delay", feast_objects("scaled"))
    applied = definition(w, good, project="delay")

    watcher.look()
    (drift,) = drifts(w)
    w.settle()
    watcher.look()

    assert not applied
    assert (drift.plane, drift.held, drift.reasserted) == ("feature_mirror", bad.ref, True)
    assert "feature view 'weather' was changed: features added humidity, batch source" in (
        drift.deviation.changes
    )
    assert definition(w, good, project="delay")
    assert drifts(w) == ()
    assert history(w) == ["feature_mirror ended"]


def test_an_alias_that_goes_back_to_a_held_bundle_is_taken_back(
    w: World, watcher: DriftWatcher
) -> None:
    rolled_back(w)
    move_alias(w, "2")

    watcher.look()
    w.settle()

    assert w.alias() == "1"


def test_an_apply_to_the_live_bundles_own_project_is_seen_and_can_be_taken_back(
    w: World, watcher: DriftWatcher
) -> None:
    bundle = w.record()
    w.release(bundle)
    project = bundle.feature_schema.project
    w.features.apply(project, feast_objects("scaled"))
    watcher.look()
    (drift,) = drifts(w)
    w.settle()
    reported = definition(w, bundle, project=project)

    told = reassert(w.runtime, alias=ALIAS, reason="ours", principal="ann")
    w.settle()
    watcher.look()

    assert (drift.plane, drift.reasserted) == ("feature_projects", False)
    assert drift.deviation.resource == f"Feast project {project}"
    assert not reported
    assert [each.plane for each in told] == ["feature_projects"]
    assert definition(w, bundle, project=project)
    assert drifts(w) == ()


def test_an_apply_to_what_is_on_trial_is_seen_and_can_be_taken_back(
    w: World, watcher: DriftWatcher
) -> None:
    w.release(w.record())
    canary = w.record(variant="scaled")
    w.promote(canary, trial=Trial(percent=5))
    w.settle()
    project = canary.feature_schema.project
    w.features.apply(project, feast_objects("rounded"))
    watcher.look()

    (drift,) = drifts(w)
    reassert(w.runtime, alias=ALIAS, reason="ours", principal="ann")
    w.settle()

    assert drift.deviation.resource == f"Feast project {project}"
    assert definition(w, canary, project=project)


def test_the_plane_that_takes_projects_back_is_there_only_while_it_does(
    w: World, watcher: DriftWatcher
) -> None:
    bundle = w.record()
    w.release(bundle)
    w.features.apply(bundle.feature_schema.project, feast_objects("scaled"))
    watcher.look()
    reassert(w.runtime, alias=ALIAS, reason="ours", principal="ann")
    w.settle()
    watcher.look()
    # What others fed meanwhile is unknown, so a project that was taken back is fed anew.
    w.features.fill(
        bundle.feature_schema.capture,
        project=bundle.feature_schema.project,
        window=WINDOW,
        progress=lambda _: None,
    )

    w.promote(w.record(variant="scaled"))
    w.settle()

    planes = {state.plane for state in describe_alias(w.runtime, ALIAS).planes}
    assert planes == {"model_alias", "feature_mirror"}


def test_without_drift_there_is_nothing_to_take_back(w: World) -> None:
    w.release(w.record())

    with pytest.raises(WrongStateError, match="without drift: it cannot be re-asserted"):
        reassert(w.runtime, alias=ALIAS, reason="ours", principal="ann")


def test_where_the_settings_say_so_everything_is_taken_back(
    w: World, watcher: DriftWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    w.train(variant="scaled")
    planes = replace(w.planes("delay"), reasserts_drift=True)
    monkeypatch.setattr(w, "planes", lambda _model: planes)
    move_alias(w, "2")

    watcher.look()
    w.settle()

    assert w.alias() == "1"


def test_a_plane_that_is_still_driven_is_not_looked_at(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.registry.down = True
    w.roll_back()
    w.settle()
    w.registry.down = False

    watcher.look()

    assert w.alias() == "2"
    assert drifts(w) == ()


def test_what_does_not_answer_is_neither_drift_nor_its_end(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    w.train(variant="scaled")
    move_alias(w, "2")
    watcher.look()
    w.registry.down = True

    watcher.look()

    assert [drift.plane for drift in drifts(w)] == ["model_alias"]


def test_definitions_are_compared_only_when_something_moved_and_feeding_is_no_drift(
    w: World, watcher: DriftWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = w.record().feature_schema
    w.release(w.record(variant="scaled"))
    watcher.look()
    asked: list[str] = []
    compare = w.features.definition

    def counted(capture: FeatureCapture, *, project: str) -> str | None:
        asked.append(project)
        return compare(capture, project=project)

    monkeypatch.setattr(w.features, "definition", counted)
    watcher.look()
    unmoved = list(asked)
    live = describe_alias(w.runtime, ALIAS)
    assert live.drifts == ()
    w.features.deploy(schema.capture, project="delay__s2_other", expected=None)
    watcher.look()

    assert unmoved == []
    assert asked == []
    assert drifts(w) == ()


def test_a_foreign_move_can_be_adopted(w: World, watcher: DriftWatcher) -> None:
    w.release(w.record())
    foreign = w.record(variant="scaled")
    move_alias(w, foreign.model_version.version)
    watcher.look()

    operation = adopting(w).operation
    assert operation is not None
    ended = w.settled(operation)
    watcher.look()

    assert ended.state is OperationState.SUCCEEDED
    assert w.live().bundle == foreign.ref
    assert w.live().cause.reason == (
        "adopted: alias production of MLflow model delay was moved to version 2"
    )
    assert drifts(w) == ()


def test_only_a_foreign_move_to_a_recorded_version_can_be_adopted(w: World) -> None:
    w.release(w.record())
    with pytest.raises(WrongStateError, match="as trilock left it: it cannot be adopted"):
        adopting(w)
    w.train(variant="scaled")
    move_alias(w, "2")
    with pytest.raises(
        NotFoundError, match=r"a bundle of delay with version 2 .* `trilock record`"
    ):
        adopting(w)
    move_alias(w, None)
    with pytest.raises(WrongStateError, match="`trilock reassert` makes it again"):
        adopting(w)


def test_adopting_again_with_the_same_request_id_tells_of_the_same_operation(w: World) -> None:
    w.release(w.record())
    foreign = w.record(variant="scaled")
    move_alias(w, foreign.model_version.version)
    first = adopting(w, request_id="r1").operation
    assert first is not None
    under_way = adopting(w, request_id="r1")
    w.settle()

    again = adopting(w, request_id="r1")

    for repeat in (under_way, again):
        assert repeat.operation is not None
        assert (repeat.operation.id, repeat.bundle.ref) == (first.id, foreign.ref)
    assert [operation.id for operation in w.runtime.journal.list()][:1] == [first.id]
    with pytest.raises(WrongStateError, match="as trilock left it"):
        adopting(w, request_id="r2")
    with pytest.raises(RequestIdReusedError):
        w.promote(foreign, request_id="r1")


def test_adopting_again_while_the_first_ends_tells_of_the_same_operation(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    foreign = w.record(variant="scaled")
    move_alias(w, foreign.model_version.version)
    first: list[Adopted] = []
    find = w.runtime.journal.find

    def faster(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(w.runtime.journal, "find", find)
        found = find(*args, **kwargs)
        first.append(adopting(w, request_id="r1"))
        w.settle()
        return found

    monkeypatch.setattr(w.runtime.journal, "find", faster)

    again = adopting(w, request_id="r1").operation

    assert first[0].operation is not None
    assert again is not None
    assert again.id == first[0].operation.id
