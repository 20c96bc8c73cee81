"""What was live at a past moment."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.domain.errors import InvalidRequestError, NotFoundError
from trilock.server.store.releases import get_release
from trilock.server.store.tables import ReleaseRow
from trilock.server.usecases.describe_past import describe_past

MS = timedelta(milliseconds=1)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.release(made.record())
        made.release(made.record(variant="scaled"))
        made.roll_back()
        made.settle()
        # A minute apart, so that no two of them share a millisecond.
        with made.database.write() as session:
            for number in (1, 2, 3):
                row = session.get(ReleaseRow, ("delay", number))
                assert row is not None
                row.started_ms = 60_000 * number
        yield made


@pytest.mark.parametrize(
    ("minute", "bundle", "version"),
    [(1.0, 1, "1"), (1.99, 1, "1"), (2.0, 2, "2"), (2.99, 2, "2"), (3.0, 1, "1"), (9.0, 1, "1")],
)
def test_what_was_live_then_is_told_whole(
    w: World, minute: float, bundle: int, version: str
) -> None:
    with w.database.read() as session:
        first = get_release(session, w.live().release).started

    past = describe_past(w.runtime, ALIAS, at=first + (minute - 3) * timedelta(minutes=1))

    assert str(past.release.bundle) == f"models/delay/bundles/{bundle}"
    assert past.serving.model_version == version
    assert past.serving.sink_epoch == past.release.epoch


def test_before_the_first_release_nothing_was_live(w: World) -> None:
    with w.database.read() as session:
        first = get_release(session, w.live().release).started - timedelta(minutes=2)

    with pytest.raises(NotFoundError, match=r"production at 1970-01-01T00:00:59\.999"):
        describe_past(w.runtime, ALIAS, at=first - MS)


def test_the_future_is_not_known(w: World) -> None:
    with w.database.read() as session:
        live = get_release(session, w.live().release).started

    with pytest.raises(InvalidRequestError, match="is in the future"):
        describe_past(w.runtime, ALIAS, at=live + MS, clock=lambda: 180_000)


def test_each_release_names_the_bundle_it_left(w: World) -> None:
    with w.database.read() as session:
        last = get_release(session, w.live().release)

    assert (str(last.leaves), str(last.leaves_bundle)) == (
        "models/delay/releases/2",
        "models/delay/bundles/2",
    )
