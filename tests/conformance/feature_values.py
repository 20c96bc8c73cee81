"""What every FeatureStore owes its callers about what is served."""

from datetime import timedelta

import pytest

from tests.support.feature_world import DAY, NOW, FeatureWorld, capture, deployed, fill
from trilock.server.domain.errors import ForeignEditError, PreconditionError
from trilock.server.domain.ports import Comparison, FillBounds, ViewState, Window


class FeatureValuesContract:
    @pytest.fixture
    def world(self) -> FeatureWorld:
        raise AssertionError("a subclass provides it")

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
