"""trilock's database was restored from a copy, or made anew: nothing lost comes back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.values import ALIAS, release_ref
from tests.support.world import World, world
from trilock.client.sinks.layout import release_number
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReservedRelease
from trilock.server.store.backup import copy_sqlite


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        yield made


@contextmanager
def restored(w: World, copy: Path) -> Iterator[World]:
    """Yield the trilock that begins with *copy*; MLflow's alias is put back by hand."""
    other = w.beside(copy)
    with closing(other.database):
        if copy.exists():
            other.registry.set_alias(model="delay", alias="production", version="1")
        other.settle()
        yield other


def backup(w: World) -> Path:
    assert w.database.path is not None
    copy = w.database.path.with_name("copy.db")
    copy_sqlite(w.database.path, copy)
    return copy


def test_the_first_rollback_after_a_restore_succeeds_and_its_writers_write(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    copy = backup(w)
    w.promote(w.record())
    w.settle()
    w.write(w.live().release, LOST=9.0)

    with restored(w, copy) as other:
        started = other.roll_back().operation
        assert started is not None
        operation = other.settled(started)

        assert operation.state is OperationState.SUCCEEDED
        assert other.live().release == release_ref(3)
        other.write(other.live().release, UA1=1.0)
        assert other.table() == {"UA1": 1.0}


def test_a_release_does_not_inherit_the_rows_of_a_lost_one_of_its_number(w: World) -> None:
    w.release(w.record())
    copy = backup(w)
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.write(w.live().release, LOST=900.0)

    with restored(w, copy) as other:
        assert other.release(other.record()) == w.live().release == release_ref(2)
        assert other.table() == {}
        other.write(other.live().release, UA1=1.0)
        assert other.table() == {"UA1": 1.0}


def test_a_new_database_promotes_at_once(w: World, tmp_path: Path) -> None:
    w.release(w.record())
    w.registry.set_alias(model="delay", alias="production", version=None)

    other = w.beside(tmp_path / "new.db")
    with closing(other.database):
        other.register()
        operation = other.settled(other.promote(other.record()))

        assert operation.state is OperationState.SUCCEEDED
        assert (operation.release, other.live().alias) == (release_ref(1), ALIAS)
        assert other.live().epoch > w.live().epoch


def test_an_epoch_is_an_int64_that_grows_with_generation_and_number() -> None:
    reserved = [
        ReservedRelease.of(release_ref(number), generation=generation).epoch
        for generation, number in ((1_800_000_000_000, 1), (1_800_000_000_000, 2), (2**43 - 1, 3))
    ]

    assert reserved == [1_887_436_800_000_000_001, 1_887_436_800_000_000_002, 2**63 - 2**20 + 3]
    assert [release_number(epoch) for epoch in reserved] == [1, 2, 3]
