"""A request id is one change, of whatever kind, however often and by how many it is sent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.values import MODEL
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import RequestIdReusedError
from trilock.server.domain.operation import Operation
from trilock.server.usecases import promote as promote_module
from trilock.server.usecases import roll_back as roll_back_module
from trilock.server.usecases.record_bundle import RecordedBundle, record_bundle


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def recorded(w: World, *, request_id: str) -> RecordedBundle:
    version, revision = w.train(variant="scaled")
    return record_bundle(
        w.runtime,
        model=MODEL,
        model_version=version,
        feature_schema=None,
        service="delay",
        pipeline_revision=revision,
        serving_config={},
        request_id=request_id,
        validate_only=False,
        principal=ANN,
    )


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], object]
) -> None:
    """Have *act* happen once, right after the next call of *name*."""
    original = getattr(module, name)

    def then_act(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(module, name, original)
        found = original(*args, **kwargs)
        act()
        return found

    monkeypatch.setattr(module, name, then_act)


def test_the_id_of_a_promotion_records_nothing(w: World) -> None:
    w.promote(w.record(), request_id="r1")

    with pytest.raises(RequestIdReusedError):
        recorded(w, request_id="r1")


def test_the_id_of_a_recording_promotes_nothing(w: World) -> None:
    bundle = recorded(w, request_id="r1").bundle
    assert bundle is not None

    with pytest.raises(RequestIdReusedError):
        w.promote(bundle, request_id="r1")

    assert w.runtime.journal.list() == ()


def test_a_promotion_that_is_retried_while_it_is_planned_is_one(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    first: list[Operation] = []

    def faster() -> None:
        first.append(w.promote(bundle, request_id="r9"))
        w.settle()

    meanwhile(monkeypatch, promote_module, "plan_promote", faster)

    assert w.promote(bundle, request_id="r9").id == first[0].id
    assert str(w.live().release) == "models/delay/releases/2"


def test_a_promotion_that_is_retried_before_it_is_planned_is_one(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    bundle, etag = w.record(variant="scaled"), w.live().etag
    first: list[Operation] = []

    def faster() -> None:
        first.append(w.promote(bundle, request_id="r9"))
        w.settle()

    # What the retry finds is that the bundle is live already, and the etag another.
    meanwhile(monkeypatch, w.runtime.journal, "find", faster)

    assert w.promote(bundle, request_id="r9", etag=etag).id == first[0].id


def test_a_rollback_that_is_retried_while_it_is_planned_is_one(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    bad = w.live().release
    first: list[Operation | None] = []

    def faster() -> None:
        first.append(w.roll_back(leaves=bad, request_id="r9").operation)
        w.settle()

    meanwhile(monkeypatch, roll_back_module, "plan_roll_back", faster)
    again = w.roll_back(leaves=bad, request_id="r9")

    assert again.operation is not None
    assert first[0] is not None
    assert (again.operation.id, again.already_done) == (first[0].id, False)


def test_a_change_that_was_refused_leaves_its_id_free(w: World) -> None:
    w.promote(w.record())
    w.settle()
    other = w.record(variant="scaled")
    with pytest.raises(Exception, match="SOAKING"):
        w.promote(other, request_id="r1")

    w.finalize()
    w.settle()

    assert w.settled(w.promote(other, request_id="r1")).done
