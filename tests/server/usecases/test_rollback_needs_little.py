"""I7: what a rollback must know was recorded; broken settings do not stop it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import World, world
from trilock.server.connections import SettingsConnections
from trilock.server.domain.errors import PreconditionError, UnknownConnectionError
from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.domain.operation import OperationState
from trilock.server.domain.ports import Planes
from trilock.server.domain.release import ReleaseState
from trilock.server.settings import load_settings
from trilock.server.store.plane_states import list_plane_states


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        made.promote(made.record(variant="scaled"))
        made.settle()
        yield made


def planes_of(w: World) -> dict[str, tuple[bool, str]]:
    with w.database.read() as session:
        return {
            state.plane: (state.converged, state.error)
            for state in list_plane_states(session, w.live())
        }


def test_an_unreadable_feature_store_yaml_does_not_stop_a_rollback(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(model: str) -> Planes:
        raise PreconditionError(f"feature_store.yaml of {model} cannot be read")

    bad = w.live().release
    w.write(bad, UA1=300.0)
    with monkeypatch.context() as broken:
        broken.setattr(w, "planes", unreadable)
        operation = w.roll_back().operation
        assert operation is not None
        w.settle()

        assert str(w.live().bundle) == "models/delay/bundles/1"
        assert w.runtime.journal.get(operation.id).state is OperationState.CONVERGING
        error = "feature_store.yaml of delay cannot be read"
        assert planes_of(w) == {
            "sinks": (True, ""),
            "model_alias": (False, error),
            "feature_mirror": (False, error),
        }

    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert w.alias() == "1"
    assert w.live().state is ReleaseState.FINALIZED


def test_a_model_that_was_taken_out_of_the_settings_can_be_rolled_back(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(model: str) -> Planes:
        raise UnknownConnectionError(kind="model", name=model, known=[])

    monkeypatch.setattr(w, "planes", unknown)
    monkeypatch.setattr(w, "has_mirror", lambda _alias: False)

    started = w.roll_back()
    w.settle()

    assert not started.already_done
    assert str(w.live().bundle) == "models/delay/bundles/1"
    assert planes_of(w)["model_alias"] == (
        False,
        "no model 'delay' in the server's settings; there is: none",
    )


def test_which_planes_follow_is_read_from_the_settings_alone(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    settings = tmp_path / "trilock.toml"
    settings.write_text(
        f"""
        [database]
        url = "sqlite:///{tmp_path}/trilock.db"
        [connections.registry]
        kind = "mlflow"
        uri = "http://127.0.0.1:9"
        [connections.features]
        kind = "feast"
        feature_store_yaml = "{tmp_path}/gone/feature_store.yaml"
        [connections.code]
        kind = "git"
        repository = "{tmp_path}/repository"
        [models.delay]
        mlflow = "registry"
        feast = "features"
        git = "code"
        mirror_project = "flights"
        [models.fare]
        mlflow = "registry"
        feast = "features"
        git = "code"
        """
    )

    connections = SettingsConnections(load_settings(settings))

    assert [
        connections.has_mirror(AliasRef(model_name(model), alias_name(alias)))
        for model in ("delay", "fare", "gone")
        for alias in ("production", "canary")
    ] == [
        True,
        False,
        False,
        False,
        False,
        False,
    ]
