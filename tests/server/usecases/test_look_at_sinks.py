"""What a rollback's preview says of rows: figures that were counted, or none."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.support.values import ALIAS, MODEL
from tests.support.world import SINK, World, world
from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.domain.ports import SinkDatabase
from trilock.server.domain.sink import Sink, StagedCount
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import ReleaseSink, list_sinks, note_staged_rows
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.look_at_sinks import look_at_sinks


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Bundle 1 is final; bundle 2 soaks and has staged two rows."""
    with world(tmp_path) as made:
        made.register()
        made.release(made.record())
        made.promote(made.record(variant="scaled"))
        made.settle()
        made.write(made.live().release, UA1=1.0, UA2=2.0)
        yield made


def previewed(w: World) -> ReleaseSink:
    (sink,) = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None).sinks
    return sink


def silence(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(connection: str) -> SinkDatabase:
        raise PlaneUnavailableError(plane=f"connection {connection!r}", what="it is down")

    monkeypatch.setattr(w, "sink_database", unreachable)


def test_staged_rows_are_counted_when_somebody_asks(w: World) -> None:
    assert (previewed(w).state, previewed(w).counts["staged"]) == ("STAGED", {"rows": 2})
    w.write(w.live().release, UA3=3.0)
    assert previewed(w).counts["staged"] == {"rows": 3}


def test_the_last_count_is_told_with_its_time_while_nobody_answers(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with w.database.write() as session:
        note_staged_rows(session, w.live().release, SINK, count=StagedCount(rows=1))
    silence(w, monkeypatch)

    staged = previewed(w).counts["staged"]

    assert (staged["rows"], staged["at_ms"] > 0) == (1, True)


def test_no_figure_is_told_if_nobody_ever_counted(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(w, monkeypatch)

    assert "staged" not in previewed(w).counts


def test_what_was_staged_once_is_no_figure_after_finalize(w: World) -> None:
    with w.database.write() as session:
        note_staged_rows(session, w.live().release, SINK, count=StagedCount(rows=2))
    w.finalize()
    w.settle()

    sink = previewed(w)
    assert (sink.state, sink.counts["staged"]) == ("DIRECT", {"rows": 0})
    assert sink.counts["merge"]["merged"] == 2
    (noted,) = describe_alias(w.runtime, ALIAS).live_sinks
    assert "staged" not in noted.counts


def test_a_count_that_takes_too_long_is_not_waited_for_and_not_begun_twice(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, goes_on, begun = w.sink_database("warehouse"), Event(), []

    class Slow:
        def state(self, sink: Sink, *, epoch: int) -> object:
            return real.state(sink, epoch=epoch)

        def count_staged(self, sink: Sink, *, epoch: int) -> StagedCount:
            begun.append(sink.ref)
            goes_on.wait(30)
            return real.count_staged(sink, epoch=epoch)

    monkeypatch.setattr(w, "sink_database", lambda _connection: Slow())
    with w.database.read() as session:
        release, sinks = get_release(session, w.live().release), list_sinks(session, model=MODEL)

    for _ in range(2):
        (told,) = look_at_sinks(w.runtime, release, sinks=sinks, noted=(), seconds=0.05)
        assert (told.state, told.counts) == ("UNKNOWN", {})
    goes_on.set()

    assert begun == [SINK]
