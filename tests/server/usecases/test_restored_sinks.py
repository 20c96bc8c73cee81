"""Sinks are ahead of a trilock database that was restored: what was lost is lost, and told."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.values import release_ref
from tests.support.world import SINK, World, world
from trilock.client.sinks import WriterFencedError
from trilock.client.sinks.layout import EpochState
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.sinks.sql_sink_database import SqlSinkDatabase
from trilock.server.sinks.sqlite_catalog import SqliteCatalog
from trilock.server.store.backup import copy_sqlite
from trilock.server.store.plane_states import list_plane_states
from trilock.server.store.sinks import get_sink, list_release_sinks

BEFORE: Final = {"UA1": 1.0}
DURING: Final = {"UA1": 2.0, "UA2": 2.0}


def promote(w: World) -> None:
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.write(w.live().release, **DURING)


def begin_finalize(w: World) -> None:
    w.finalize()
    w.pivot()


def begin_rollback(w: World) -> None:
    w.roll_back()


LOST: Final = (
    "its database says {state} while it is SOAKING here: what came after a copy of trilock's "
    "database was lost with it; "
)

FENCED: Final = (
    "its writers are fenced for good: a rollback or another promotion makes a release that may "
    "write"
)

MOMENTS: Final[dict[str, Callable[[World], None]]] = {
    "before the promotion": lambda _: None,
    "in the soak": promote,
    "finalizing": begin_finalize,
    "finalized": World.settle,
    "before the rollback": begin_rollback,
    "rolled back": World.settle,
}
"""What happens until each moment, from the one before it on."""

ORDER: Final = list(MOMENTS)

PAIRS: Final = [
    (copied, lost)
    for copied in ORDER[:-1]
    for lost in ("in the soak", "finalized", "rolled back")
    if ORDER.index(copied) < ORDER.index(lost)
]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        made.write(made.live().release, **BEFORE)
        yield made


def backup(w: World) -> Path:
    assert w.database.path is not None
    copy = w.database.path.with_name("copy.db")
    copy_sqlite(w.database.path, copy)
    return copy


@contextmanager
def restored(w: World, *, copied: str, lost: str) -> Iterator[World]:
    """Yield the trilock of the moment *copied*, in a world where *lost* has happened."""
    copy = None
    for moment in ORDER[: ORDER.index(lost) + 1]:
        MOMENTS[moment](w)
        if moment == copied:
            copy = backup(w)
    assert copy is not None
    other = w.beside(copy)
    with closing(other.database):
        yield other


def unsettled(w: World) -> list[str]:
    with w.database.read() as session:
        planes = [plane for plane in list_plane_states(session, w.live()) if not plane.converged]
    return [f"{plane.plane}: {plane.found} {plane.error}" for plane in planes]


def fence(w: World) -> EpochState | None:
    with w.database.read() as session:
        sink = get_sink(session, SINK)
    return w.sink_database("warehouse").state(sink, epoch=w.live().epoch)


def noted(w: World) -> tuple[str, str]:
    with w.database.read() as session:
        (found,) = list_release_sinks(session, w.live().release)
    return found.state, found.counts.get("ahead", {}).get("why", "")


@pytest.mark.parametrize(("copied", "lost"), PAIRS)
def test_planes_agree_and_one_can_go_back_and_then_on(w: World, copied: str, lost: str) -> None:
    with restored(w, copied=copied, lost=lost) as other:
        before = other.table()
        other.settle()
        assert unsettled(other) == []
        assert other.runtime.journal.list(active_only=True) == ()
        if copied != "before the rollback":  # that one goes on, and undoes it
            assert other.table() == before

        if other.live().target is not None:
            started = other.roll_back().operation
            assert started is not None
            assert other.settled(started).state is OperationState.SUCCEEDED
            assert unsettled(other) == []
        # What a lost release wrote is left alone; of the one that was left nothing is there.
        expected = DURING if (copied, lost) == ("before the promotion", "finalized") else BEFORE
        assert other.table() == expected

        if other.live().state is ReleaseState.SOAKING:
            other.settled(other.finalize())
        other.release(other.record(variant="fresh"))
        other.write(other.live().release, UA3=3.0)
        assert other.table() == {**expected, "UA3": 3.0}


def test_a_release_that_was_superseded_since_is_still_undone_when_it_is_left(w: World) -> None:
    for moment in ORDER[:4]:
        MOMENTS[moment](w)
    copy = backup(w)
    w.release(w.record(variant="fresh"))

    other = w.beside(copy)
    with closing(other.database):
        other.settle()
        assert noted(other)[0] == "CLOSED"
        assert other.table() == DURING
        other.roll_back()
        other.settle()

        assert unsettled(other) == []
        assert other.table() == BEFORE


def test_a_release_that_soaks_again_but_was_finalized_is_told(w: World) -> None:
    with restored(w, copied="in the soak", lost="finalized") as other:
        other.settle()

        assert (other.live().state, fence(other)) == (ReleaseState.SOAKING, EpochState.DIRECT)
        assert noted(other) == (
            "DIRECT",
            LOST.format(state="DIRECT") + "its writers write to the table",
        )
        # And nothing is told any more once what was lost has happened again.
        other.finalize()
        other.settle()
        assert noted(other) == ("DIRECT", "")


def test_the_first_release_ever_whose_writers_are_fenced_can_be_finalized(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        w.promote(w.record())
        w.settle()
        copy = backup(w)
        w.finalize()
        w.settle()
        w.release(w.record(variant="scaled"))

        other = w.beside(copy)
        with closing(other.database):
            other.settle()
            assert noted(other) == (
                "CLOSED",
                LOST.format(state="CLOSED") + FENCED,
            )
            with pytest.raises(WriterFencedError):
                other.write(other.live().release, UA9=9.0)

            other.finalize()
            other.settle()
            assert other.live().state is ReleaseState.FINALIZED
            assert other.release(other.record(variant="fresh")) == release_ref(2)
            other.write(other.live().release, UA3=3.0)
            assert other.table() == {"UA3": 3.0}


class _StoppedError(Exception):
    """The machine died in the middle of a merge."""


def test_a_merge_that_was_begun_is_ended_and_told(w: World) -> None:
    promote(w)
    copy = backup(w)
    with w.database.read() as session:
        sink = get_sink(session, SINK)

    def die(at: str) -> None:
        if at == "merge:committed":
            raise _StoppedError

    dying = SqlSinkDatabase(
        SqliteCatalog(str(w.warehouse), forbidden=None), range_size=1, checkpoint=die
    )
    with pytest.raises(_StoppedError):
        dying.merge(sink, epoch=w.live().epoch)

    other = w.beside(copy)
    with closing(other.database):
        other.settle()
        assert fence(other) is EpochState.DIRECT
        assert noted(other)[1].endswith("its writers write to the table")
        assert other.table() == DURING
        other.roll_back()
        other.settle()
        assert other.table() == BEFORE
