"""What sinks keep is deleted when it is old enough, and not before it is settled."""

from pathlib import Path

from tests.support.world import SINK, World, world
from trilock.server.domain.names import ReleaseRef
from trilock.server.store.clock import now_ms
from trilock.server.watching.purger import Purged, Purger

_DAY_MS = 86_400_000


def _purger(w: World, *, in_days: int) -> Purger:
    return Purger(w.database, w, keep_ms=30 * _DAY_MS, clock=lambda: now_ms() + in_days * _DAY_MS)


def _ended(w: World, *, settle: bool = True) -> ReleaseRef:
    """Return a release that soaked, wrote and was rolled back."""
    w.register()
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    bad = w.live().release
    w.write(bad, UA1=1.0)
    w.roll_back()
    if settle:
        w.settle()
    return bad


def test_what_is_old_is_purged_once(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bad = _ended(w)

        early = _purger(w, in_days=29).purge_due()
        late = _purger(w, in_days=31).purge_due()
        again = _purger(w, in_days=32).purge_due()

        assert early == again == ()
        assert Purged(release=bad, sink=SINK, error="") in late
        assert all(each.release != w.live().release for each in late)


def test_a_sink_that_does_not_answer_is_purged_later(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bad = _ended(w)
        w.warehouse.rename(tmp_path / "away.db")
        failed = _purger(w, in_days=31).purge_due()
        (tmp_path / "away.db").rename(w.warehouse)
        purged = _purger(w, in_days=31).purge_due()

    assert all("unable to open" in each.error for each in failed)
    assert Purged(release=bad, sink=SINK, error="") in purged


def test_what_is_not_settled_is_kept(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        bad = _ended(w, settle=False)
        w._runner.run_due()
        while w.live().release == bad:
            w._runner.run_due()

        # The pivot is done, the projection has not undone anything yet.
        done = _purger(w, in_days=31).purge_due()
        w.settle()

        assert bad not in {each.release for each in done}
        assert bad in {each.release for each in _purger(w, in_days=31).purge_due()}
