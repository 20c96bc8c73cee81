"""One project that readers read: the live schema's tables are swapped in, and back out."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS, MODEL, NOON
from tests.support.world import World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.live import LiveBundle
from trilock.server.domain.names import AliasRef, alias_name
from trilock.server.domain.operation import OperationState
from trilock.server.store.releases import live_bundle
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.feature_projects import list_feature_projects, materialize_features

BESIDE = AliasRef(MODEL, alias_name("staging"))


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.in_place = True
        yield made


def told(w: World) -> LiveBundle:
    """Return what serving processes are told."""
    with w.database.read() as session:
        return live_bundle(session, w.live())


def mirror_error(w: World) -> str:
    status = describe_alias(w.runtime, ALIAS)
    return next(plane.error for plane in status.planes if plane.plane == "feature_mirror")


def both(w: World) -> tuple[Bundle, Bundle]:
    first, second = w.record(), w.record(variant="scaled")
    w.release(first)
    w.release(second)
    return first, second


def test_readers_are_told_the_one_project_and_it_has_what_is_live(w: World) -> None:
    first, second = w.record(), w.record(variant="scaled")
    w.release(first)
    before = (told(w).live.feature_project, w.mirrored())
    w.release(second)

    live = told(w)
    assert before == ("delay", {"temp": 21.0})
    assert (live.live.feature_project, w.mirrored()) == ("delay", {"temp": 21.0, "humidity": 0.5})
    assert live.standby is not None
    assert live.standby.feature_project == "delay"


def test_a_rollback_puts_definitions_and_values_back(w: World) -> None:
    both(w)

    operation = w.roll_back().operation
    assert operation is not None
    ended = w.settled(operation)

    assert ended.state is OperationState.SUCCEEDED
    assert w.mirrored() == {"temp": 21.0}
    assert told(w).live.feature_project == "delay"


def test_a_rollback_feeds_what_came_since_the_values_were_moved_out(w: World) -> None:
    """The truth is 99; with the watermark of the bad release it would never be fed."""
    both(w)
    w.features.observe(
        "data/celsius.parquet", entity="JFK", at=NOON + timedelta(days=2), values={"temp": 99.0}
    )

    w.roll_back()
    w.settle()

    assert w.mirrored() == {"temp": 99.0}


def test_it_is_done_only_when_a_job_begun_before_has_ended(w: World) -> None:
    first, _ = both(w)
    w.features.busy_views = ("weather",)

    operation = w.roll_back().operation
    assert operation is not None
    waiting = w.settled(operation)
    error = mirror_error(w)
    # The job of the bad definition ends: its values are in the table, and its watermark.
    w.features.push("delay", "weather", entity="JFK", values={"temp": 10.0})
    w.features.end_job("delay", "weather", until=NOON + timedelta(days=30))
    w.retry_planes()
    ended = w.settled(operation)

    assert waiting.state is OperationState.CONVERGING
    assert error == (
        f"delay serves {first.feature_schema.ref}; a job begun before still feeds weather: "
        "it is compared with its sources when that has ended"
    )
    assert ended.state is OperationState.SUCCEEDED
    assert w.mirrored() == {"temp": 21.0}


def test_two_switches_before_any_of_them_was_followed_end_with_the_last(w: World) -> None:
    first, _ = both(w)
    w.features.available = False
    w.roll_back()
    w.settle()
    w.features.available = True
    third = w.record(variant="scaled")
    w.retry_planes()
    w.settle()

    w.release(third)

    assert w.mirrored() == {"temp": 21.0, "humidity": 0.5}
    parked = w.features.views(first.feature_schema.capture, project=first.feature_schema.project)
    assert [view.rows for view in parked] == [1]


def test_a_model_with_the_same_schema_is_promoted_without_moving_a_table(w: World) -> None:
    w.release(w.record())
    again = w.record()

    w.release(again)

    assert w.mirrored() == {"temp": 21.0}
    assert told(w).live.bundle == again.ref


def test_only_what_is_live_is_fed(w: World) -> None:
    both(w)
    fed: list[str] = []

    materialize_features(
        w.runtime,
        model=MODEL,
        window=None,
        progress=lambda project, _line: fed.append(project),
        done=lambda project, _views: fed.append(project),
    )

    assert set(fed) == {"delay"}
    assert "delay" in {project.project for project in list_feature_projects(w.runtime, model=None)}


def test_it_is_done_only_when_every_reader_has_followed(w: World) -> None:
    both(w)
    w.features.readers["http://server:6566"] = "http://server:6566 does not serve weather yet"

    operation = w.roll_back().operation
    assert operation is not None
    waiting = w.settled(operation)
    error = mirror_error(w)
    w.features.readers["http://server:6566"] = ""
    w.retry_planes()

    assert waiting.state is OperationState.CONVERGING
    assert error == "http://server:6566 does not serve weather yet"
    assert w.settled(operation).state is OperationState.SUCCEEDED


def promote_beside(w: World, bundle: Bundle) -> None:
    """Promote *bundle* on an alias whose readers read schemas in projects of their own."""
    operation = w.promote(bundle, alias=BESIDE, accept_window="")
    assert w.settled(operation).state is OperationState.SUCCEEDED


def test_no_tables_are_taken_from_another_alias_that_reads_them(w: World) -> None:
    """They would be swapped out of the project that `staging` reads."""
    w.release(w.record())
    tried = w.record(variant="scaled")
    promote_beside(w, tried)

    with pytest.raises(WrongStateError, match=r"is kept for models/delay/aliases/staging, in "):
        w.promote(tried)

    assert w.mirrored() == {"temp": 21.0}


def test_no_alias_reads_in_its_own_project_what_is_swapped_into_the_one(w: World) -> None:
    first = w.record()
    w.release(first)

    with pytest.raises(
        WrongStateError, match=r"is kept for models/delay/aliases/production, in delay"
    ):
        promote_beside(w, first)
