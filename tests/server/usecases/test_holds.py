"""A hold stops promotions, for as long as it lasts, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, World, world
from trilock.server.domain.errors import (
    HeldError,
    InvalidRequestError,
    NotFoundError,
    WrongStateError,
)
from trilock.server.domain.names import AliasRef, BundleRef, alias_name
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import Cause
from trilock.server.store.holds import get_hold, put_hold
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.usecases.place_hold import place_hold

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def hold(w: World, resource: BundleRef | AliasRef, expires: datetime | None = None) -> None:
    place_hold(w.runtime, resource=resource, reason="audit", expires=expires, principal=ANN)


def test_a_held_bundle_is_not_promoted(w: World) -> None:
    bundle = w.record()
    hold(w, bundle.ref)

    with pytest.raises(HeldError, match=r"models/delay/bundles/1 is on hold since ann .*: audit"):
        w.promote(bundle)


def test_to_a_held_alias_nothing_is_promoted_until_the_hold_is_lifted(w: World) -> None:
    w.release(w.record())
    second = w.record(variant="scaled")
    hold(w, ALIAS)

    with pytest.raises(HeldError, match="aliases/production is on hold"):
        w.promote(second)
    lift_hold(w.runtime, resource=ALIAS, reason="done", principal=ANN)

    assert w.settled(w.promote(second)).state is OperationState.SUCCEEDED


def test_an_alias_that_is_held_meanwhile_is_not_switched(w: World) -> None:
    w.release(w.record())
    operation = w.promote(w.record(variant="scaled"))
    hold(w, ALIAS)

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "HOLD_ACTIVE")


def test_neither_hold_stops_a_rollback_to_another_bundle(w: World) -> None:
    good, bad = w.record(), w.record(variant="scaled")
    w.release(good)
    w.release(bad)
    hold(w, ALIAS)
    hold(w, bad.ref)

    operation = w.roll_back().operation

    assert operation is not None
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert w.live().bundle == good.ref


def test_a_hold_ends_by_itself(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = w.record()
    hold(w, bundle.ref, LATER)
    with pytest.raises(HeldError):
        w.promote(bundle)

    over = round(LATER.timestamp() * 1000)
    monkeypatch.setattr("trilock.server.store.holds.now_ms", lambda: over)

    assert w.settled(w.promote(bundle)).state is OperationState.SUCCEEDED


def test_a_rollback_outlasts_a_hold_that_ends(w: World) -> None:
    bundle = w.record()
    hold(w, bundle.ref, LATER)

    with w.database.write() as session:
        put_hold(session, bundle.ref, cause=Cause(principal="bob", reason="rolled back"))

    with w.database.read() as session:
        found = get_hold(session, bundle.ref)
    assert found is not None
    assert (found.principal, found.expires) == ("bob", None)


def test_what_cannot_be_held(w: World) -> None:
    bundle = w.record()
    with pytest.raises(NotFoundError, match="bundles/9"):
        hold(w, BundleRef(MODEL, 9))
    with pytest.raises(NotFoundError, match="nothing was ever released there"):
        hold(w, AliasRef(MODEL, alias_name("canary")))
    with pytest.raises(InvalidRequestError, match="expire_time: must be in the future"):
        hold(w, bundle.ref, datetime.now(UTC) - timedelta(seconds=1))
    hold(w, bundle.ref)
    with pytest.raises(WrongStateError, match="on hold by ann already: audit"):
        hold(w, bundle.ref)


def test_what_is_not_on_hold_cannot_be_lifted(w: World) -> None:
    w.release(w.record())

    with pytest.raises(WrongStateError, match="aliases/production is not on hold"):
        lift_hold(w.runtime, resource=ALIAS, reason="done", principal=ANN)
