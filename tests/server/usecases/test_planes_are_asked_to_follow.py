"""Whatever can make a plane differ from the live row has it driven again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, WINDOW, World, world
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.names import AliasRef, alias_name
from trilock.server.domain.ports import ViewState
from trilock.server.store.counters import begin_generation
from trilock.server.store.tables import StoreRow
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.feature_projects import materialize_features
from trilock.server.usecases.promote import promote


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def converged(w: World) -> dict[str, bool]:
    status = describe_alias(w.runtime, ALIAS)
    return {plane.plane: plane.converged for plane in status.planes}


def materialize(w: World) -> None:
    materialize_features(
        w.runtime,
        model=MODEL,
        window=WINDOW,
        progress=lambda _project, _line: None,
        done=lambda _project, _views: None,
    )


def test_a_restored_database_drives_every_plane_to_its_own_row(w: World) -> None:
    w.register()
    w.release(w.record())
    version, _ = w.train()
    # What was promoted after the copy is not in it; its planes know nothing of that.
    w.registry.set_alias(model="delay", alias="production", version=version)
    with w.database.write() as session:
        store = session.get(StoreRow, 1)
        assert store is not None
        store.restored = True
        session.add(store)

    with w.database.write() as session:
        begin_generation(session)

    assert converged(w) == {"feature_mirror": False, "model_alias": False, "sinks": False}
    w.settle()
    assert w.alias() == "1"
    assert converged(w) == {"feature_mirror": True, "model_alias": True, "sinks": True}


def test_a_sink_registered_in_a_soak_lets_the_live_releases_writers_in(w: World) -> None:
    w.promote(w.record())
    w.settle()

    w.register()
    w.settle()
    w.write(w.live().release, UA1=3.0)

    assert w.table() == {}
    w.finalize()
    w.settle()
    assert w.table() == {"UA1": 3.0}


def test_a_sink_registered_on_a_final_release_lets_its_writers_in(w: World) -> None:
    w.release(w.record())

    w.register()
    w.settle()
    w.write(w.live().release, UA1=3.0)

    assert w.table() == {"UA1": 3.0}


class TestMaterialize:
    def test_the_mirror_has_what_was_filled(self, w: World) -> None:
        w.release(w.record())
        late = WINDOW.end - timedelta(hours=1)  # in the window that was filled already
        w.features.observe("data/celsius.parquet", entity="JFK", at=late, values={"temp": 30.0})

        materialize(w)
        w.settle()

        assert w.mirrored() == {"temp": 30.0}

    def test_a_rollback_during_the_fill_leaves_the_mirror_with_the_good_release(
        self, w: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w.release(w.record())
        w.promote(w.record(variant="scaled"))
        w.settle()
        fill = w.features.fill

        def fill_while_somebody_rolls_back(
            capture: FeatureCapture, **changes: Any
        ) -> tuple[ViewState, ...]:
            monkeypatch.undo()
            views = fill(capture, **changes)
            w.roll_back()
            w.settle()
            return views

        monkeypatch.setattr(w.features, "fill", fill_while_somebody_rolls_back)
        materialize(w)
        w.settle()

        assert str(w.live().bundle) == "models/delay/bundles/1"
        assert w.mirrored() == {"temp": 21.0}
        assert converged(w) == {"feature_mirror": True, "model_alias": True}

    def test_a_fill_that_failed_half_way_has_the_mirror_followed_too(
        self, w: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w.release(w.record())

        def fail(*_: object, **__: object) -> None:
            raise PreconditionError("a source could not be read")

        monkeypatch.setattr(w.features, "fill", fail)
        with pytest.raises(PreconditionError):
            materialize(w)

        assert converged(w) == {"feature_mirror": False, "model_alias": True}


def test_what_was_seen_before_the_planes_were_set_behind_is_no_agreement(w: World) -> None:
    w.release(w.record())
    materialize(w)
    sites: list[str] = []

    def at(site: str) -> None:
        sites.append(site)
        if sites.count("feature_mirror:observed") == 1 and site == "feature_mirror:observed":
            materialize(w)

    w._converger._at = at
    w.settle()

    assert sites.count("feature_mirror:agrees") == 2
    assert converged(w)["feature_mirror"]


def test_the_mirror_follows_one_alias_only(w: World) -> None:
    w.release(w.record())
    candidate = w.record(variant="scaled")
    canary = AliasRef(MODEL, alias_name("canary"))

    operation = promote(
        w.runtime,
        alias=canary,
        bundle=candidate.ref,
        window=WINDOW,
        plan_id="",
        reason="",
        accept_unready="",
        etag="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )
    w.settle()

    assert operation is not None
    assert operation.plan.converges == ("model_alias",)
    assert [plane.plane for plane in describe_alias(w.runtime, canary).planes] == ["model_alias"]
    assert w.mirrored() == {"temp": 21.0}
