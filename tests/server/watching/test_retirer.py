"""Feature projects are removed by themselves when their time has come, and no other."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.world import World, world
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.watching import retirer as retirer_module
from trilock.server.watching.retirer import Retirer


def _retirer(w: World, *, in_days: int) -> Retirer:
    return Retirer(w.database, w, clock=lambda: datetime.now(UTC) + timedelta(days=in_days))


def _three_releases(w: World) -> list[FeatureSchema]:
    """Release three schemas in a row; the first is needed by nothing any more."""
    schemas = []
    for variant in ("celsius", "scaled", "kelvin"):
        bundle = w.record(variant=variant)
        w.release(bundle)
        schemas.append(bundle.feature_schema)
    return schemas


def _there(w: World, schemas: list[FeatureSchema]) -> list[bool]:
    return [
        w.features.definition(schema.capture, project=schema.project) is not None
        for schema in schemas
    ]


def test_what_is_due_is_retired_once_and_nothing_before(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        schemas = _three_releases(w)

        early = _retirer(w, in_days=13).retire_due()
        before = _there(w, schemas)
        late = _retirer(w, in_days=15).retire_due()
        again = _retirer(w, in_days=16).retire_due()

        assert early == again == ()
        assert before == [True, True, True]
        assert [(each.schema.project, each.retired) for each in late] == [
            (schemas[0].project, True)
        ]
        assert _there(w, schemas) == [False, True, True]


def test_a_store_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        schemas = _three_releases(w)
        w.features.available = False
        failed = _retirer(w, in_days=15).retire_due()
        w.features.available = True
        retired = _retirer(w, in_days=15).retire_due()

    assert [each.error for each in failed] == [
        "the Feast registry does not answer: it was switched off"
    ]
    assert [each.schema.ref for each in retired] == [schemas[0].ref]


def test_two_servers_retire_a_project_once(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        _three_releases(w)
        ready = threading.Barrier(2)
        done: list[str] = []

        def one() -> None:
            retirer = _retirer(w, in_days=15)
            ready.wait(timeout=10)
            done.extend(each.error or "retired" for each in retirer.retire_due())

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert "retired" in done
        assert set(done) <= {"retired", "somebody else is removing it"}


def test_it_goes_on_by_itself_after_a_look_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retirer_module, "_FIRST_SECONDS", 0.001)
    monkeypatch.setattr(retirer_module, "_INTERVAL_SECONDS", 0.001)
    with world(tmp_path) as w:
        looks = iter([OSError("a defect"), None])
        looked = threading.Event()

        def look(_retirer: Retirer) -> None:
            found = next(looks, None)
            if found is not None:
                raise found
            looked.set()

        monkeypatch.setattr(Retirer, "retire_due", look)
        retirer = _retirer(w, in_days=15)

        retirer.start()
        went_on = looked.wait(timeout=10)
        retirer.stop(10)

    assert went_on
