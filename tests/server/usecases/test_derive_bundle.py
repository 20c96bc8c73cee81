"""One half of a bundle with the other half of what is live: a bundle like any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS, bundle_ref
from tests.support.world import ANN, World, world
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import IncompatibleError, NotFoundError
from trilock.server.domain.operation import OperationState
from trilock.server.usecases.derive_bundle import Half, derive_bundle


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.release(made.record())
        yield made


def derive(w: World, bundle: Bundle, only: Half) -> tuple[Bundle, bool]:
    return derive_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref, only=only, principal=ANN)


def test_only_the_model(w: World) -> None:
    other = w.record(variant="scaled")

    derived, created = derive(w, other, Half.MODEL)

    assert (derived.ref, created) == (bundle_ref(3), True)
    assert derived.model_version.version == "2"
    assert derived.feature_schema.ref.version == 1
    assert derived.pipeline_commit == other.pipeline_commit
    assert derived.serving_config == other.serving_config
    assert derive(w, other, Half.MODEL) == (derived, False)
    assert w.settled(w.promote(derived)).state is OperationState.SUCCEEDED
    assert w.mirrored() == {"temp": 21.0}


def test_only_the_features(w: World) -> None:
    other = w.record(variant="scaled")

    derived, _ = derive(w, other, Half.FEATURES)

    assert derived.model_version.version == "1"
    assert derived.feature_schema == other.feature_schema
    assert w.settled(w.promote(derived)).state is OperationState.SUCCEEDED
    assert w.mirrored() == {"temp": 21.0, "humidity": 0.5}


def test_it_is_checked_like_any_other(w: World) -> None:
    wrong = w.record(inputs='[{"type": "string", "name": "temp", "required": true}]')

    derived, _ = derive(w, wrong, Half.MODEL)

    with pytest.raises(IncompatibleError):
        w.promote(derived)


def test_what_was_never_recorded_or_is_not_live_has_no_half(w: World, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        derive_bundle(w.runtime, alias=ALIAS, bundle=bundle_ref(9), only=Half.MODEL, principal=ANN)
    (tmp_path / "empty").mkdir()
    with world(tmp_path / "empty") as empty, pytest.raises(NotFoundError):
        derive(empty, empty.record(), Half.MODEL)
