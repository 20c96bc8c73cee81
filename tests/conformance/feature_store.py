"""What every FeatureStore owes its callers. Subclass it and provide `world`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import (
    ForeignEditError,
    NotFoundError,
    PlaneUnavailableError,
    PreconditionError,
)
from trilock.server.domain.ports import Comparison, FeatureStore, FillBounds, ViewState, Window

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))


class FeatureWorld(Protocol):
    """A feature store, and what others do to it.

    The base project is `delay`. Its service `delay` has the view `weather` and
    an on-demand view `derived` on top of it; the service `places` has the view
    `airports`. There are two variants. In `celsius`, `weather` has `temp`; in
    `scaled` it reads another source and has `humidity`, too. Six hours ago both
    sources had 10, 20 and 30 for EWR, JFK and LGA, `scaled` a hundred times that.
    """

    repository: Path

    @property
    def store(self) -> FeatureStore:
        """The store under test."""
        ...

    def apply(self, variant: str, *, project: str = "delay") -> None:
        """Do what `feast apply` does."""
        ...

    def observe(self, variant: str, *, origin: str, temp: float, at: datetime) -> None:
        """Add a row to the variant's source, in its scale."""
        ...

    def temp(self, project: str, *, origin: str) -> object:
        """Return the `temp` that *project* serves."""
        ...

    def commit(self, variant: str) -> str:
        """Commit the variant, in folder `features` of the repository."""
        ...

    def break_down(self) -> None:
        """From now on the registry does not answer."""
        ...


def capture(world: FeatureWorld, variant: str) -> FeatureCapture:
    world.apply(variant)
    return world.store.capture_project(project="delay", service="delay")


def deployed(world: FeatureWorld, variant: str, *, project: str) -> FeatureCapture:
    captured = capture(world, variant)
    found = world.store.definition(captured, project=project)
    world.store.deploy(captured, project=project, expected=found)
    return captured


def fill(world: FeatureWorld, captured: FeatureCapture, project: str, window: Window = DAY) -> None:
    world.store.fill(captured, project=project, window=window, progress=lambda _: None)


class FeatureStoreContract:
    @pytest.fixture
    def world(self) -> FeatureWorld:
        raise AssertionError("a subclass provides it")

    def test_a_capture_holds_what_the_service_needs_and_nothing_else(
        self, world: FeatureWorld
    ) -> None:
        captured = capture(world, "celsius")

        assert (captured.service, captured.project, captured.revision) == ("delay", "delay", None)
        assert [(o.kind, o.name) for o in captured.objects if o.name != "__dummy"] == [
            ("data_source", "trip"),
            ("data_source", "weather_source"),
            ("entity", "origin"),
            ("feature_service", "delay"),
            ("feature_view", "weather"),
            ("on_demand_feature_view", "derived"),
        ]

    def test_only_another_definition_has_another_digest(self, world: FeatureWorld) -> None:
        first = capture(world, "celsius")
        again = capture(world, "celsius")
        other = capture(world, "scaled")

        assert first.definition_digest == again.definition_digest
        assert first.definition_digest != other.definition_digest

    def test_what_is_not_there_is_said_with_what_is(self, world: FeatureWorld) -> None:
        world.apply("celsius")

        with pytest.raises(NotFoundError, match=r"feature service 'typo'.*there is: delay, places"):
            world.store.capture_project(project="delay", service="typo")
        with pytest.raises(NotFoundError, match=r"Feast project 'typo'.*there is: delay"):
            world.store.capture_project(project="typo", service="delay")

    def test_a_description_is_the_proto_as_json(self, world: FeatureWorld) -> None:
        described = world.store.describe(capture(world, "celsius"))
        view = next(raw for raw in described if raw.kind == "feature_view")

        assert (view.name, view.unknown_fields) == ("weather", False)
        assert view.definition["spec"]["ttl"] == "2592000s"
        assert [(f["name"], f["value_type"]) for f in view.definition["spec"]["features"]] == [
            ("temp", 5)
        ]

    def test_a_deployed_project_is_defined_as_captured(self, world: FeatureWorld) -> None:
        captured = capture(world, "celsius")
        assert world.store.definition(captured, project="delay__s1") is None

        world.store.deploy(captured, project="delay__s1", expected=None)

        found = world.store.definition(captured, project="delay__s1")
        assert found == captured.definition_digest

    def test_deploying_again_is_no_edit_whatever_was_expected(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")

        world.store.deploy(captured, project="delay__s1", expected=None)

        found = world.store.definition(captured, project="delay__s1")
        assert found == captured.definition_digest

    def test_a_deployed_capture_can_be_captured_again(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")

        again = world.store.capture_project(project="delay__s1", service="delay")

        assert again.definition_digest == captured.definition_digest
        assert again.project == "delay__s1"

    def test_a_token_moves_with_every_change_and_with_nothing_else(
        self, world: FeatureWorld
    ) -> None:
        captured = capture(world, "celsius")
        world.store.deploy(captured, project="delay__s1", expected=None)
        first = world.store.token(project="delay__s1")
        again = world.store.token(project="delay__s1")
        world.apply("scaled", project="elsewhere")
        elsewhere = world.store.token(project="delay__s1")

        world.apply("scaled", project="delay__s1")

        assert first == again == elsewhere
        assert world.store.token(project="delay__s1") != first

    def test_differences_name_what_is_other_and_what_is_gone(self, world: FeatureWorld) -> None:
        captured = capture(world, "celsius")
        world.store.deploy(captured, project="delay__s1", expected=None)
        none = world.store.differences(captured, project="delay__s1")
        world.apply("scaled", project="delay__s1")

        changed = " ".join(world.store.differences(captured, project="delay__s1"))
        gone = world.store.differences(captured, project="nowhere")

        assert none == ()
        assert "feature view 'weather' was changed: features added humidity" in changed
        assert "feature service 'delay' is gone" in gone

    def test_a_foreign_edit_is_refused_and_stays(self, world: FeatureWorld) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        scaled = capture(world, "scaled")
        planned = world.store.definition(scaled, project="delay__s1")
        world.apply("scaled", project="delay__s1")
        foreign = world.store.definition(celsius, project="delay__s1")

        with pytest.raises(ForeignEditError):
            world.store.deploy(celsius, project="delay__s1", expected=planned)

        assert world.store.definition(celsius, project="delay__s1") == foreign

    def test_an_expected_definition_is_replaced(self, world: FeatureWorld) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        scaled = deployed(world, "scaled", project="delay__s1")

        assert world.store.definition(scaled, project="delay__s1") == scaled.definition_digest
        assert world.store.definition(celsius, project="delay__s1") != celsius.definition_digest

    def test_deploying_leaves_other_projects_and_objects_alone(self, world: FeatureWorld) -> None:
        world.apply("celsius")
        places = world.store.capture_project(project="delay", service="places")
        world.store.deploy(places, project="delay__s1", expected=None)

        celsius = deployed(world, "celsius", project="delay__s1")
        deployed(world, "scaled", project="delay__s2")

        assert world.store.definition(places, project="delay__s1") == places.definition_digest
        assert world.store.definition(celsius, project="delay__s1") == celsius.definition_digest

    def test_a_view_is_empty_until_it_is_filled(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        empty = world.store.views(captured, project="delay__s1")
        told: list[str] = []

        filled = world.store.fill(captured, project="delay__s1", window=DAY, progress=told.append)

        uncounted = world.store.views(captured, project="delay__s1", count=False)
        assert [(view.rows, view.fed_until) for view in uncounted] == [(None, DAY.end)]
        assert empty == (
            ViewState(view="weather", rows=0, fed_from=None, fed_until=None, feedable=True),
        )
        assert filled == (
            ViewState(view="weather", rows=3, fed_from=DAY.start, fed_until=DAY.end, feedable=True),
        )
        assert filled == world.store.views(captured, project="delay__s1")
        assert told
        assert all("weather" in line for line in told)
        assert world.temp("delay__s1", origin="JFK") == 20.0

    def test_a_window_ends_before_its_end(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        world.observe("celsius", origin="EWR", temp=99.0, at=DAY.end)

        fill(world, captured, "delay__s1")
        before = world.temp("delay__s1", origin="EWR")
        fill(world, captured, "delay__s1", Window(start=DAY.end, end=NOW))

        assert (before, world.temp("delay__s1", origin="EWR")) == (10.0, 99.0)

    def test_a_fill_goes_in_chunks_and_what_was_fed_stays_fed(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        hours = FillBounds(chunk=timedelta(hours=8))
        told: list[str] = []

        def stop_after_two(line: str) -> None:
            told.append(line)
            if len([line for line in told if "weather" in line]) == 5:
                raise PreconditionError("the server was stopped")

        with pytest.raises(PreconditionError, match="the server was stopped"):
            world.store.fill(
                captured,
                project="delay__s1",
                window=DAY,
                progress=stop_after_two,
                bounds=hours,
            )
        (cut,) = world.store.views(captured, project="delay__s1")
        world.store.fill(
            captured,
            project="delay__s1",
            window=DAY,
            progress=told.append,
            bounds=hours,
            resume=True,
        )

        assert cut.fed_from == DAY.start
        assert cut.fed_until is not None
        assert DAY.start < cut.fed_until < DAY.end
        (whole,) = world.store.views(captured, project="delay__s1")
        assert (whole.rows, whole.fed_from, whole.fed_until) == (3, DAY.start, DAY.end)
        assert world.temp("delay__s1", origin="JFK") == 20.0

    def test_resuming_a_fill_feeds_nothing_twice(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        fill(world, captured, "delay__s1")
        world.observe("celsius", origin="EWR", temp=99.0, at=DAY.end - timedelta(minutes=30))

        world.store.fill(
            captured, project="delay__s1", window=DAY, progress=lambda _: None, resume=True
        )
        resumed = world.temp("delay__s1", origin="EWR")
        fill(world, captured, "delay__s1")

        assert (resumed, world.temp("delay__s1", origin="EWR")) == (10.0, 99.0)

    def test_older_times_never_go_over_newer_values(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        world.observe("celsius", origin="EWR", temp=99.0, at=DAY.end)
        fill(world, captured, "delay__s1", Window(start=DAY.end, end=NOW))

        fill(world, captured, "delay__s1")

        assert world.temp("delay__s1", origin="EWR") == 99.0
        assert world.temp("delay__s1", origin="JFK") == 20.0
        (state,) = world.store.views(captured, project="delay__s1")
        assert (state.fed_from, state.fed_until) == (DAY.start, NOW)

    def test_a_fill_of_too_many_entities_is_stopped(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")

        with pytest.raises(PreconditionError, match=r"weather .* 3 entities .* max_rows = 2"):
            world.store.fill(
                captured,
                project="delay__s1",
                window=DAY,
                progress=lambda _: None,
                bounds=FillBounds(max_rows=2),
            )

    def test_a_comparison_finds_what_is_not_as_in_the_source(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        empty = world.store.compare(captured, project="delay__s1", window=DAY, sample=10)
        fill(world, captured, "delay__s1")
        equal = world.store.compare(captured, project="delay__s1", window=DAY, sample=10)
        # Written after its time was fed: nothing but a look at values can tell.
        world.observe("celsius", origin="EWR", temp=99.0, at=DAY.end - timedelta(minutes=30))
        (frozen,) = world.store.compare(captured, project="delay__s1", window=DAY, sample=10)

        assert [view.differences[0] for view in empty] == ["3 of 3 entities are not online"]
        assert equal == (
            Comparison(view="weather", offline=3, online=3, sampled=3, differences=()),
        )
        (difference,) = frozen.differences
        assert "EWR" in difference
        assert "temp is" in difference
        assert "10" in difference
        assert "99" in difference

    def test_tables_are_swapped_in_with_their_watermarks_and_back_out(
        self, world: FeatureWorld
    ) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        fill(world, celsius, "delay__s1")
        world.store.swap(celsius, source="delay__s1", project="live", leaves=None)
        first = world.temp("live", origin="LGA")
        scaled = deployed(world, "scaled", project="delay__s2")
        later = Window(start=DAY.start, end=NOW)
        fill(world, scaled, "delay__s2", later)

        for _ in range(2):
            world.store.swap(scaled, source="delay__s2", project="live", leaves=celsius)

        assert (first, world.temp("live", origin="LGA")) == (30.0, 3000.0)
        assert world.store.definition(scaled, project="live") == scaled.definition_digest
        (state,) = world.store.views(scaled, project="live")
        assert (state.rows, state.fed_from, state.fed_until) == (3, DAY.start, NOW)
        (parked,) = world.store.views(celsius, project="delay__s1")
        assert (parked.rows, parked.fed_from, parked.fed_until) == (3, DAY.start, DAY.end)
        (empty,) = world.store.views(scaled, project="delay__s2")
        assert (empty.rows, empty.fed_until) == (0, None)
        in_place = world.store.in_place(scaled, project="live")
        assert in_place is not None
        assert (in_place.holds, in_place.left) == ("delay__s2", "delay__s1")
        assert in_place.settled

        world.store.swap(celsius, source="delay__s1", project="live", leaves=scaled)

        assert world.temp("live", origin="LGA") == 30.0
        (back,) = world.store.views(celsius, project="live")
        # With the other's watermark, nothing between the two would ever be fed.
        assert (back.rows, back.fed_from, back.fed_until) == (3, DAY.start, DAY.end)
        (gone,) = world.store.views(scaled, project="delay__s2")
        assert (gone.rows, gone.fed_until) == (3, NOW)

    def test_values_are_vouched_for_until_they_are_fed_again(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        nothing = world.store.in_place(captured, project="live")
        fill(world, captured, "delay__s1")
        world.store.swap(captured, source="delay__s1", project="live", leaves=None)

        def verified() -> bool:
            state = world.store.in_place(captured, project="live")
            return state is not None and state.verified

        fresh = verified()
        world.store.vouch(captured, project="live")
        vouched = verified()
        fill(world, captured, "live", Window(start=DAY.start, end=NOW))

        assert (nothing, fresh, vouched, verified()) == (None, False, True, False)

    def test_what_was_not_staged_is_not_swapped_in(self, world: FeatureWorld) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        fill(world, celsius, "delay__s1")
        world.store.swap(celsius, source="delay__s1", project="live", leaves=None)
        scaled = deployed(world, "scaled", project="delay__s2")

        with pytest.raises(ForeignEditError):
            world.store.swap(scaled, source="delay__s1", project="live", leaves=celsius)
        world.store.retire(scaled, project="delay__s2")
        with pytest.raises(ForeignEditError):
            world.store.swap(scaled, source="delay__s2", project="live", leaves=celsius)

        assert world.temp("live", origin="LGA") == 30.0
        assert world.store.definition(celsius, project="live") == celsius.definition_digest

    def test_a_retired_project_is_gone_and_can_be_deployed_again(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")
        fill(world, captured, "delay__s1")

        kept = [world.store.retire(captured, project="delay__s1") for _ in range(2)]

        assert kept == [(), ()]
        assert world.store.definition(captured, project="delay__s1") is None
        world.store.deploy(captured, project="delay__s1", expected=None)
        assert world.store.views(captured, project="delay__s1") == (
            ViewState(view="weather", rows=0, fed_from=None, fed_until=None, feedable=True),
        )

    def test_retiring_leaves_what_is_not_its_own(self, world: FeatureWorld) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        world.apply("celsius")
        places = world.store.capture_project(project="delay", service="places")
        found = world.store.definition(places, project="delay__s1")
        world.store.deploy(places, project="delay__s1", expected=found)
        scaled = deployed(world, "scaled", project="delay__s2")

        kept = world.store.retire(celsius, project="delay__s1")
        with pytest.raises(ForeignEditError):
            world.store.retire(celsius, project="delay__s2")

        assert "feature view 'airports'" in kept
        assert "feature service 'places'" in kept
        assert world.store.definition(places, project="delay__s1") == places.definition_digest
        assert world.store.definition(scaled, project="delay__s2") == scaled.definition_digest

    def test_filling_changes_no_definition(self, world: FeatureWorld) -> None:
        captured = deployed(world, "celsius", project="delay__s1")

        fill(world, captured, "delay__s1")

        found = world.store.definition(captured, project="delay__s1")
        assert found == captured.definition_digest

    def test_filling_what_is_defined_otherwise_is_refused(self, world: FeatureWorld) -> None:
        celsius = capture(world, "celsius")
        deployed(world, "scaled", project="delay__s1")

        with pytest.raises(ForeignEditError):
            fill(world, celsius, "delay__s1")

    def test_two_schemas_are_served_side_by_side(self, world: FeatureWorld) -> None:
        for variant, project in (("celsius", "delay__s1"), ("scaled", "delay__s2")):
            fill(world, deployed(world, variant, project=project), project)
        world.apply("celsius")  # what happens to the base project does not matter

        assert world.temp("delay__s1", origin="LGA") == 30.0
        assert world.temp("delay__s2", origin="LGA") == 3000.0

    def test_a_new_definition_does_not_take_watermarks_from_elsewhere(
        self, world: FeatureWorld
    ) -> None:
        fill(world, deployed(world, "celsius", project="delay__s1"), "delay__s1")
        fed = world.store.capture_project(project="delay__s1", service="delay")

        world.store.deploy(fed, project="delay__s2", expected=None)

        assert world.store.views(fed, project="delay__s2") == (
            ViewState(view="weather", rows=0, fed_from=None, fed_until=None, feedable=True),
        )

    def test_redefining_forgets_the_watermark_of_the_other_definition(
        self, world: FeatureWorld
    ) -> None:
        fill(world, deployed(world, "celsius", project="delay__s1"), "delay__s1")

        scaled = deployed(world, "scaled", project="delay__s1")

        assert world.store.views(scaled, project="delay__s1") == (
            ViewState(view="weather", rows=3, fed_from=None, fed_until=None, feedable=True),
        )

    def test_a_mirror_has_definitions_values_and_watermarks_of_its_source(
        self, world: FeatureWorld
    ) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        fill(world, celsius, "delay__s1")
        scaled = deployed(world, "scaled", project="delay__s2")
        world.observe("scaled", origin="DFW", temp=40.0, at=NOW - timedelta(hours=2))
        fill(world, scaled, "delay__s2", Window(start=DAY.start, end=NOW))

        world.store.mirror(scaled, source="delay__s2", project="live")
        bad = (world.temp("live", origin="LGA"), world.temp("live", origin="DFW"))
        for _ in range(2):
            world.store.mirror(celsius, source="delay__s1", project="live")

        assert bad == (3000.0, 4000.0)
        assert world.store.definition(celsius, project="live") == celsius.definition_digest
        assert world.temp("live", origin="LGA") == 30.0
        assert world.temp("live", origin="DFW") is None
        # With the watermark of the other, nothing between the two would ever be fed.
        assert world.store.views(celsius, project="live") == (
            ViewState(view="weather", rows=3, fed_from=DAY.start, fed_until=DAY.end, feedable=True),
        )
        assert world.temp("delay__s2", origin="DFW") == 4000.0

    def test_a_source_that_is_defined_otherwise_is_not_mirrored(self, world: FeatureWorld) -> None:
        celsius = deployed(world, "celsius", project="delay__s1")
        fill(world, celsius, "delay__s1")
        world.store.mirror(celsius, source="delay__s1", project="live")
        world.apply("scaled", project="delay__s1")

        with pytest.raises(ForeignEditError):
            world.store.mirror(celsius, source="delay__s1", project="live")

        assert world.temp("live", origin="LGA") == 30.0

    def test_a_registry_that_does_not_answer_is_unavailable(self, world: FeatureWorld) -> None:
        captured = capture(world, "celsius")
        world.break_down()

        with pytest.raises(PlaneUnavailableError) as caught:
            world.store.capture_project(project="delay", service="delay")
        with pytest.raises(PlaneUnavailableError):
            world.store.deploy(captured, project="delay__s1", expected=None)

        assert "\n" not in str(caught.value)


class FeatureRepositoryContract:
    """`capture_repository`: apart from the rest, because it does not touch the registry."""

    @pytest.fixture
    def world(self) -> FeatureWorld:
        raise AssertionError("a subclass provides it")

    def test_a_commit_is_captured_without_touching_anything_live(self, world: FeatureWorld) -> None:
        revision = world.commit("celsius")

        captured = world.store.capture_repository(
            repository=world.repository, revision=revision, folder="features", service="delay"
        )

        assert captured.revision == revision
        assert [(o.kind, o.name) for o in captured.objects if o.name != "__dummy"] == [
            ("data_source", "trip"),
            ("data_source", "weather_source"),
            ("entity", "origin"),
            ("feature_service", "delay"),
            ("feature_view", "weather"),
            ("on_demand_feature_view", "derived"),
        ]
        assert world.store.definition(captured, project="delay") is None

    def test_what_a_repository_does_not_have_is_not_found(self, world: FeatureWorld) -> None:
        revision = world.commit("celsius")

        for commit, folder in (("0" * 40, "features"), (revision, "typo")):
            with pytest.raises(NotFoundError):
                world.store.capture_repository(
                    repository=world.repository, revision=commit, folder=folder, service="delay"
                )
