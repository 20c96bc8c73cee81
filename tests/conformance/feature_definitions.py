"""What every FeatureStore owes its callers about what is defined."""

import pytest

from tests.support.feature_world import FeatureWorld, capture, deployed, fill
from trilock.server.domain.errors import ForeignEditError, NotFoundError, PlaneUnavailableError
from trilock.server.domain.ports import ViewState


class FeatureDefinitionsContract:
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

    def test_a_registry_that_does_not_answer_is_unavailable(self, world: FeatureWorld) -> None:
        captured = capture(world, "celsius")
        world.break_down()

        with pytest.raises(PlaneUnavailableError) as caught:
            world.store.capture_project(project="delay", service="delay")
        with pytest.raises(PlaneUnavailableError):
            world.store.deploy(captured, project="delay__s1", expected=None)

        assert "\n" not in str(caught.value)
