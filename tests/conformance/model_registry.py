"""What every ModelRegistry owes its callers. Subclass it and provide `world`."""

from dataclasses import replace
from typing import Protocol

import pytest

from trilock.server.domain.bundle import ModelVersion
from trilock.server.domain.errors import InvalidNameError, NotFoundError, PlaneUnavailableError
from trilock.server.domain.ports import ModelRegistry

INPUTS = '[{"type": "long", "name": "distance", "required": true}]'
OUTPUTS = '[{"type": "double", "name": "delay", "required": true}]'
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class RegistryWorld(Protocol):
    """A registry, and what others do to it behind our back."""

    registry: ModelRegistry
    model: str
    """A name that nobody has used yet."""

    def register(
        self, *, source_commit: str | None = None, feature_service: str | None = None
    ) -> str:
        """Add a version of `model` with INPUTS and OUTPUTS and a file `data/weights.bin`."""
        ...

    def write_file(self, version: str, path: str, content: bytes | None) -> None:
        """Replace an artifact, or remove it."""
        ...

    def replace_signature(self, version: str) -> None:
        """Make the version's input a string."""
        ...

    def delete_version(self, version: str) -> None:
        """Delete one version."""
        ...

    def delete_model(self) -> None:
        """Delete the model with all its versions."""
        ...


class ModelRegistryContract:
    @pytest.fixture
    def world(self) -> RegistryWorld:
        raise AssertionError("a subclass provides it")

    def capture(self, world: RegistryWorld, version: str) -> ModelVersion:
        return world.registry.capture(model=world.model, version=version)

    def alias(self, world: RegistryWorld) -> str | None:
        return world.registry.alias(model=world.model, alias="production")

    def set_alias(self, world: RegistryWorld, version: str | None) -> None:
        world.registry.set_alias(model=world.model, alias="production", version=version)

    # capture

    def test_a_capture_has_the_signature_as_it_was_logged(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())

        assert (captured.name, captured.version) == (world.model, "1")
        assert (captured.inputs, captured.outputs, captured.params) == (INPUTS, OUTPUTS, None)

    def test_a_capture_lists_every_file_with_its_size(self, world: RegistryWorld) -> None:
        files = dict(self.capture(world, world.register()).files)

        assert files["data/weights.bin"] == 7
        assert files["MLmodel"] > 0
        assert list(files) == sorted(files)

    def test_a_capture_has_the_tags_of_git_and_feast(self, world: RegistryWorld) -> None:
        version = world.register(source_commit=COMMIT, feature_service="delay_v1")

        captured = self.capture(world, version)

        assert (captured.source_commit, captured.feature_service) == (COMMIT, "delay_v1")

    def test_a_capture_without_tags_has_none(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())

        assert (captured.source_commit, captured.feature_service) == (None, None)

    def test_two_captures_of_one_version_are_equal(self, world: RegistryWorld) -> None:
        version = world.register()

        assert self.capture(world, version) == self.capture(world, version)

    def test_two_versions_have_two_identities(self, world: RegistryWorld) -> None:
        first, second = (self.capture(world, world.register()) for _ in range(2))

        assert first.model_id != second.model_id
        assert first.mlmodel_sha256 != second.mlmodel_sha256

    def test_a_missing_model_is_not_found(self, world: RegistryWorld) -> None:
        with pytest.raises(NotFoundError, match=f"version 1 of model '{world.model}'"):
            self.capture(world, "1")

    def test_a_missing_version_is_not_found(self, world: RegistryWorld) -> None:
        world.register()

        with pytest.raises(NotFoundError, match=f"version 2 of model '{world.model}'"):
            self.capture(world, "2")

    def test_a_deleted_version_is_not_found(self, world: RegistryWorld) -> None:
        version = world.register()
        world.delete_version(version)

        with pytest.raises(NotFoundError, match="version 1"):
            self.capture(world, version)

    def test_a_version_without_mlmodel_is_not_found(self, world: RegistryWorld) -> None:
        version = world.register()
        world.write_file(version, "MLmodel", None)

        with pytest.raises(NotFoundError, match="the MLmodel file of version 1"):
            self.capture(world, version)

    # verify

    def test_an_untouched_version_does_not_differ(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())

        assert world.registry.verify(captured) == ()

    def test_a_deleted_version_is_gone(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.delete_version("1")

        assert world.registry.verify(captured) == (f"version 1 of model '{world.model}' is gone",)

    def test_a_deleted_model_takes_its_versions(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.delete_model()

        assert world.registry.verify(captured) == (f"version 1 of model '{world.model}' is gone",)

    def test_a_number_used_again_is_another_version(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.delete_model()
        assert world.register() == "1"

        found = world.registry.verify(captured)

        what = [line.split(" has ")[1].split(" ")[:2] for line in found]
        assert what == [["creation", "time"], ["model", "id"], ["an", "MLmodel"]]

    def test_a_changed_signature_is_told(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.replace_signature("1")

        line, *_ = world.registry.verify(captured)

        assert line.endswith("its signature was changed")

    def test_a_lost_file_is_named(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.write_file("1", "data/weights.bin", None)

        assert world.registry.verify(captured) == (
            f"version 1 of model '{world.model}' has lost its file 'data/weights.bin'",
        )

    def test_a_file_of_another_size_is_named(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.write_file("1", "data/weights.bin", b"other weights")

        assert world.registry.verify(captured) == (
            f"version 1 of model '{world.model}' has a file 'data/weights.bin' of 13 bytes, not 7",
        )

    def test_a_lost_mlmodel_is_told_once(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.write_file("1", "MLmodel", None)

        assert world.registry.verify(captured) == (
            f"version 1 of model '{world.model}' has lost its file 'MLmodel'",
        )

    def test_a_file_that_was_added_is_no_difference(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        world.write_file("1", "notes.txt", b"hello")

        assert world.registry.verify(captured) == ()

    def test_every_difference_has_its_line(self, world: RegistryWorld) -> None:
        captured = self.capture(world, world.register())
        other = replace(captured, created_ms=1, run_id="r1", model_id="m-1")

        assert len(world.registry.verify(other)) == 3

    # alias

    def test_an_alias_that_was_never_set_is_none(self, world: RegistryWorld) -> None:
        world.register()

        assert self.alias(world) is None

    def test_the_alias_of_a_missing_model_is_not_found(self, world: RegistryWorld) -> None:
        with pytest.raises(NotFoundError, match=f"model '{world.model}'"):
            self.alias(world)

    def test_set_then_read(self, world: RegistryWorld) -> None:
        self.set_alias(world, world.register())

        assert self.alias(world) == "1"

    def test_move_then_read(self, world: RegistryWorld) -> None:
        self.set_alias(world, world.register())
        self.set_alias(world, world.register())

        assert self.alias(world) == "2"

    def test_setting_twice_is_setting_once(self, world: RegistryWorld) -> None:
        version = world.register()
        self.set_alias(world, version)
        self.set_alias(world, version)

        assert self.alias(world) == "1"

    def test_none_removes_and_removing_twice_is_fine(self, world: RegistryWorld) -> None:
        self.set_alias(world, world.register())
        self.set_alias(world, None)
        self.set_alias(world, None)

        assert self.alias(world) is None

    def test_aliases_do_not_touch_each_other(self, world: RegistryWorld) -> None:
        self.set_alias(world, world.register())
        world.registry.set_alias(model=world.model, alias="staging", version=world.register())
        self.set_alias(world, None)

        assert world.registry.alias(model=world.model, alias="staging") == "2"

    def test_deleting_a_version_deletes_its_alias(self, world: RegistryWorld) -> None:
        self.set_alias(world, world.register())
        world.delete_version("1")

        assert self.alias(world) is None

    @pytest.mark.parametrize("version", ["1", None])
    def test_an_alias_of_a_missing_model_cannot_be_set(
        self, world: RegistryWorld, version: str | None
    ) -> None:
        with pytest.raises(NotFoundError, match=f"model '{world.model}'"):
            self.set_alias(world, version)

    def test_an_alias_cannot_be_set_to_a_missing_version(self, world: RegistryWorld) -> None:
        world.register()

        with pytest.raises(NotFoundError, match=f"version 2 of model '{world.model}'"):
            self.set_alias(world, "2")
        assert self.alias(world) is None

    # names

    @pytest.mark.parametrize("alias", ["", "latest", "v1", "a\n", "é", "Production", "a/b"])
    def test_a_bad_alias_is_refused_before_it_is_asked_for(
        self, world: RegistryWorld, alias: str
    ) -> None:
        with pytest.raises(InvalidNameError, match="alias"):
            world.registry.alias(model=world.model, alias=alias)
        with pytest.raises(InvalidNameError, match="alias"):
            world.registry.set_alias(model=world.model, alias=alias, version="1")

    @pytest.mark.parametrize("model", ["", " ", "a/b", "a:b", "a\n", "\ta"])
    def test_a_bad_model_is_refused_before_it_is_asked_for(
        self, world: RegistryWorld, model: str
    ) -> None:
        with pytest.raises(InvalidNameError, match="registered model"):
            world.registry.capture(model=model, version="1")
        with pytest.raises(InvalidNameError, match="registered model"):
            world.registry.alias(model=model, alias="production")

    @pytest.mark.parametrize("version", ["", "0", "01", "1.0", "latest", "1\n", "-1"])
    def test_a_bad_version_is_refused_before_it_is_asked_for(
        self, world: RegistryWorld, version: str
    ) -> None:
        with pytest.raises(InvalidNameError, match="model version"):
            world.registry.capture(model=world.model, version=version)
        with pytest.raises(InvalidNameError, match="model version"):
            self.set_alias(world, version)


class OutageWorld(RegistryWorld, Protocol):
    """A registry that can go away."""

    def stop(self) -> None:
        """Let it answer nothing more."""
        ...

    def start(self) -> None:
        """Let it answer again, as if nothing had been."""
        ...

    def lose_answers(self) -> None:
        """Let it do what it is asked, and let no answer to a write come back."""
        ...


class RegistryOutageContract:
    @pytest.fixture
    def world(self) -> OutageWorld:
        raise AssertionError("a subclass provides it")

    def test_every_call_says_that_it_is_unavailable(self, world: OutageWorld) -> None:
        captured = world.registry.capture(model=world.model, version=world.register())
        world.stop()

        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.registry.capture(model=world.model, version="1")
        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.registry.verify(captured)
        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.registry.alias(model=world.model, alias="production")
        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.registry.set_alias(model=world.model, alias="production", version="1")

    def test_it_goes_on_when_the_registry_is_back(self, world: OutageWorld) -> None:
        captured = world.registry.capture(model=world.model, version=world.register())
        world.stop()
        with pytest.raises(PlaneUnavailableError):
            world.registry.verify(captured)
        world.start()

        assert world.registry.verify(captured) == ()

    def test_a_write_whose_answer_is_lost_is_settled_by_looking_again(
        self, world: OutageWorld
    ) -> None:
        version = world.register()
        world.lose_answers()

        with pytest.raises(PlaneUnavailableError):
            world.registry.set_alias(model=world.model, alias="production", version=version)
        world.start()

        assert world.registry.alias(model=world.model, alias="production") == "1"
