"""I2: what forbids a promotion forbids it until the pivot, however long that takes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.feast_objects import feast_objects
from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, World, world
from trilock.server.domain.names import AliasRef, alias_name
from trilock.server.domain.operation import Operation, OperationState, StepState
from trilock.server.domain.release import Cause, ReleaseState
from trilock.server.operations.catalog import steps
from trilock.server.operations.runner import Runner
from trilock.server.store.holds import put_hold
from trilock.server.store.releases import require_live
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.roll_back import roll_back
from trilock.server.workers.lease import free_all

CANARY = AliasRef(MODEL, alias_name("canary"))
COMPENSATED = OperationState.COMPENSATED


class DiedError(BaseException):
    """The process dies here."""


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        yield made


def drive_and_die(w: World, operation: Operation, site: str) -> None:
    """Drive *operation* in a process that dies when it comes to *site*."""

    def at(name: str) -> None:
        if name == site:
            raise DiedError

    runner = Runner(w.database, w.runtime.journal, steps(w.database, w), at=at)
    with pytest.raises(DiedError):
        runner.drive(operation.id)
    free_all(w.database)


def test_the_gates_of_a_promotion_stand_before_its_pivot(w: World) -> None:
    operation = w.settled(w.promote(w.record(variant="scaled")))

    assert [(step.step, step.state) for step in operation.steps] == [
        ("prepare_sink", StepState.DONE),
        ("deploy_features", StepState.DONE),
        ("fill_features", StepState.DONE),
        ("verify_features", StepState.DONE),
        ("not_held", StepState.DONE),
        ("no_foreign_edit", StepState.DONE),
        ("bundle_fits", StepState.DONE),
        ("switch_live", StepState.DONE),
    ]


def test_a_model_version_that_was_deleted_while_the_server_was_down_does_not_go_live(
    w: World,
) -> None:
    operation = w.promote(w.record(variant="scaled"))
    drive_and_die(w, operation, "bundle_fits:asked")
    w.registry.delete_version(model="delay", version="2")

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (COMPENSATED, "NOT_FOUND")
    assert ended.error_message.startswith("bundle_fits: ")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_an_alias_that_was_moved_while_the_server_was_down_is_a_foreign_edit(w: World) -> None:
    operation = w.promote(w.record(variant="scaled"))
    other, _ = w.train()
    drive_and_die(w, operation, "bundle_fits:asked")
    w.registry.set_alias(model="delay", alias="production", version=other)

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (COMPENSATED, "FOREIGN_EDIT")
    assert w.alias() == other
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_features_that_were_changed_while_the_server_was_down_are_a_foreign_edit(
    w: World,
) -> None:
    bundle = w.record(variant="scaled")
    operation = w.promote(bundle)
    drive_and_die(w, operation, "bundle_fits:asked")
    w.features.apply(bundle.feature_schema.project, feast_objects("rounded"))

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (COMPENSATED, "FOREIGN_EDIT")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_bundle_that_was_rolled_back_on_another_alias_meanwhile_does_not_go_live(
    w: World,
) -> None:
    good, bad = w.record(inputs='[{"type": "double", "name": "temp"}]'), w.record(variant="scaled")
    w.promote(good, alias=CANARY)
    w.settle()
    finalize(
        w.runtime,
        alias=CANARY,
        reason="",
        etag="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )
    w.settle()
    w.promote(bad, alias=CANARY)
    w.settle()
    production = w.promote(bad)
    with w.database.read() as session:
        leaves = require_live(session, CANARY).release
    roll_back(
        w.runtime,
        alias=CANARY,
        leaves=leaves,
        to_bundle=None,
        reason="it is bad",
        incident="",
        request_id="",
        validate_only=False,
        principal=ANN,
    )

    ended = w.settled(production)

    assert (ended.state, ended.error_reason) == (COMPENSATED, "HOLD_ACTIVE")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_hold_that_is_recorded_after_the_gate_was_asked_is_seen_by_the_pivot(w: World) -> None:
    bundle = w.record(variant="scaled")
    operation = w.promote(bundle)

    def hold(site: str) -> None:
        if site == "bundle_fits:asked":
            with w.database.write() as session:
                put_hold(session, bundle.ref, cause=Cause(principal=ANN, reason="it is bad"))

    Runner(w.database, w.runtime.journal, steps(w.database, w), at=hold).drive(operation.id)

    ended = w.settled(operation)
    assert (ended.state, ended.error_reason) == (COMPENSATED, "HOLD_ACTIVE")
    assert ended.error_message.startswith("switch_live: ")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_sink_that_was_altered_during_the_soak_is_not_finalized_into(w: World) -> None:
    w.promote(w.record(variant="scaled"))
    w.settle()
    with closing(sqlite3.connect(w.warehouse)) as connection, connection:
        connection.execute("ALTER TABLE predictions ADD COLUMN note TEXT")

    ended = w.settled(w.finalize())

    assert (ended.state, ended.error_reason) == (COMPENSATED, "SINK_UNUSABLE")
    assert ended.error_message.startswith("sink_as_registered: ")
    assert "column 'note' was added since it was registered" in ended.error_message
    assert w.live().state is ReleaseState.SOAKING
    assert w.live().alias == ALIAS
