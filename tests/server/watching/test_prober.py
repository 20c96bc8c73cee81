"""What is looked at again and again: rollback targets, and rows that are staged."""

from pathlib import Path

from tests.support.values import ALIAS
from tests.support.world import World, world
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.watching.prober import Prober


def look(w: World) -> None:
    Prober(w.database, w, interval=60).look()


def test_the_target_of_a_soaking_release_is_looked_at(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        w.release(w.record())
        w.promote(w.record(variant="scaled"))
        w.settle()
        look(w)
        before = describe_alias(w.runtime, ALIAS).readiness
        w.registry.delete_version(model="delay", version="1")
        look(w)
        after = describe_alias(w.runtime, ALIAS).readiness

    assert before is not None
    assert (before.state, before.problems) == ("READY", ())
    assert after is not None
    assert after.state == "NOT_READY"


def test_staged_rows_are_counted_while_a_release_soaks(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        w.promote(w.record())
        w.settle()
        w.write(w.live().release, UA1=3.0, UA2=4.0)

        look(w)

        (sink,) = describe_alias(w.runtime, ALIAS).live_sinks
        assert (sink.state, sink.counts["staged"]["rows"]) == ("STAGED", 2)
