"""What every FeatureStore owes its callers about a commit of a repository."""

import pytest

from tests.support.feature_world import FeatureWorld
from trilock.server.domain.errors import NotFoundError


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
