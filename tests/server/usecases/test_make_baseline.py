"""Who must go on working when features change, as far as that can be said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sharing_world import ETA, ETA_ALIAS, Sharing, sharing_world
from tests.support.values import MODEL
from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.names import ModelName
from trilock.server.domain.ports import Planes
from trilock.server.usecases.make_baseline import LeftOut, make_baseline


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Sharing]:
    with sharing_world(tmp_path) as made:
        yield made


def names(w: Sharing, *, model: ModelName | None = None) -> list[str]:
    return [reader.name for reader in make_baseline(w.runtime, model=model).readers]


def test_what_is_live_and_what_it_would_go_back_to(w: Sharing) -> None:
    assert names(w) == ["models/delay/bundles/1", "models/eta/bundles/1"]
    assert names(w, model=ETA) == ["models/eta/bundles/1"]
    assert make_baseline(w.runtime, model=None).left_out == ()


def test_a_model_that_left_the_settings_is_named_and_hides_no_other(
    w: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = w.planes

    def planes(model: str) -> Planes:
        if model == ETA:
            raise UnknownConnectionError(kind="model", name=model, known=[MODEL])
        return known(model)

    monkeypatch.setattr(w, "planes", planes)

    why = "no model 'eta' in the server's settings; there is: delay"
    left_out = (LeftOut(alias=ETA_ALIAS, why=why),)
    assert names(w) == ["models/delay/bundles/1"]
    assert make_baseline(w.runtime, model=None).left_out == left_out
    assert names(w, model=ETA) == []
    assert make_baseline(w.runtime, model=ETA).left_out == left_out
