"""Nobody switches to features that were not filled, or not with what their sources have."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.values import MODEL, NOON
from tests.support.world import WINDOW, World, world
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotReadyError
from trilock.server.domain.operation import OperationState
from trilock.server.domain.ports import ViewState
from trilock.server.usecases.feature_projects import materialize_features


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def materialize(w: World, **changes: Any) -> list[str]:
    told: list[str] = []
    arguments: dict[str, Any] = {"window": WINDOW, **changes}
    try:
        materialize_features(
            w.runtime,
            model=MODEL,
            progress=lambda project, line: told.append(f"{project}: {line}"),
            done=lambda project, _views: told.append(f"{project}: done"),
            **arguments,
        )
    except NotReadyError as error:
        told.append(str(error))
    return told


def test_a_fill_tells_how_far_it_is_and_stops_when_cancelled(w: World) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    operation = w.promote(bundle)
    seen: list[str] = []
    fill = w.features.fill

    def fill_and_cancel(
        capture: FeatureCapture, *, progress: Any, **changes: Any
    ) -> tuple[ViewState, ...]:
        def tell(line: str) -> None:
            progress(line)
            steps = w.runtime.journal.get(operation.id).steps
            seen.append(next(step for step in steps if step.step == "fill_features").progress)
            w.runtime.journal.cancel(operation.id, reason="changed my mind")

        return fill(capture, progress=tell, **changes)

    w.features.fill = fill_and_cancel  # type: ignore[method-assign]

    ended = w.settled(operation)

    assert seen == ["weather: materializing"]
    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "ABORTED")
    assert w.live().bundle.number == 1


def test_a_fill_that_was_cut_short_goes_on_where_it_was(w: World) -> None:
    bundle = w.record()
    schema = bundle.feature_schema
    w.features.deploy(schema.capture, project=schema.project, expected=None)
    half = type(WINDOW)(start=WINDOW.start, end=NOON + timedelta(minutes=30))
    w.features.fill(schema.capture, project=schema.project, window=half, progress=lambda _: None)
    windows: list[tuple[Any, bool]] = []
    fill = w.features.fill

    def watched(capture: FeatureCapture, **changes: Any) -> tuple[ViewState, ...]:
        windows.append((changes["window"], changes["resume"]))
        return fill(capture, **changes)

    w.features.fill = watched  # type: ignore[method-assign]

    ended = w.settled(w.promote(bundle))

    assert ended.state is OperationState.SUCCEEDED
    assert windows == [(WINDOW, True)]
    assert w.mirrored() == {"temp": 21.0}


def test_rows_that_came_late_are_fed_again_before_the_switch(w: World) -> None:
    bundle = w.record()
    schema = bundle.feature_schema
    w.features.deploy(schema.capture, project=schema.project, expected=None)
    w.features.fill(schema.capture, project=schema.project, window=WINDOW, progress=lambda _: None)
    w.features.observe(
        "data/celsius.parquet",
        entity="JFK",
        at=NOON + timedelta(hours=2),
        values={"temp": 99.0},
    )

    ended = w.settled(w.promote(bundle))

    verify = next(step for step in ended.steps if step.step == "verify_features")
    assert ended.state is OperationState.SUCCEEDED
    assert verify.result == "fed again: weather: JFK: temp is 21.0 online, 99.0 in its source"
    assert w.mirrored() == {"temp": 99.0}


def test_values_that_are_not_those_of_the_source_stop_the_promotion(w: World) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    schema = bundle.feature_schema
    fill = w.features.fill

    def fill_and_spoil(capture: FeatureCapture, **changes: Any) -> tuple[ViewState, ...]:
        views = fill(capture, **changes)
        w.features.push(schema.project, "weather", entity="JFK", values={"temp": 10.0})
        return views

    w.features.fill = fill_and_spoil  # type: ignore[method-assign]

    ended = w.settled(w.promote(bundle))

    assert ended.state is OperationState.COMPENSATED
    assert ended.error_reason == "NOT_READY"
    assert ended.error_message == (
        f"verify_features: Feast project {schema.project} is not ready: "
        "weather: JFK: temp is 10.0 online, 21.0 in its source"
    )
    assert w.live().bundle.number == 1


def test_a_view_that_cannot_be_fed_stops_the_promotion_by_name(w: World) -> None:
    w.release(w.record())
    w.features.broken_views.add("weather")

    ended = w.settled(w.promote(w.record(variant="scaled")))

    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "NOT_READY")
    assert "weather: its source cannot be read" in ended.error_message


def test_what_fails_in_one_project_keeps_no_other_from_being_fed(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = [w.record(), w.record(variant="scaled")]
    for bundle in bundles:
        w.release(bundle)
    first, second = (bundle.feature_schema.project for bundle in bundles)
    fill = w.features.fill

    def fail_the_first(
        capture: FeatureCapture, *, project: str, **changes: Any
    ) -> tuple[ViewState, ...]:
        if project == first:
            raise NotReadyError(resource=project, problems=["weather: no such file"])
        return fill(capture, project=project, **changes)

    monkeypatch.setattr(w.features, "fill", fail_the_first)
    told = materialize(w)

    assert told[-1] == f"what releases read is not ready: {first}: weather: no such file"
    assert f"{second}: done" in told


def test_without_a_window_each_view_goes_on_from_where_it_is(w: World) -> None:
    w.release(w.record())
    asked: list[tuple[Any, bool]] = []
    fill = w.features.fill

    def watched(capture: FeatureCapture, **changes: Any) -> tuple[ViewState, ...]:
        asked.append((changes["window"].start, changes["resume"]))
        return fill(capture, **changes)

    w.features.fill = watched  # type: ignore[method-assign]

    materialize(w, window=None)

    assert asked == [(WINDOW.end, True)]
