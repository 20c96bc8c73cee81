"""Going back twice takes out the rows of what is left, and names the rows that stay (ADR 13)."""

from pathlib import Path

from tests.support.values import ALIAS
from tests.support.world import SINK, world
from trilock.server.domain.receipt import RowState
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.sink_receipts import get_receipts


def test_rows_of_a_release_in_between_stay_and_are_accounted_for(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        first = w.release(w.record())
        w.write(first, UA1=1.0)
        second = w.release(w.record(variant="scaled"))
        w.write(second, UA1=2.0, UA2=2.0)
        third = w.release(w.record(variant="kelvin"))
        w.write(third, UA2=3.0, UA3=3.0)

        once = describe_rollback(w.runtime, alias=ALIAS, to_bundle=None).not_undone
        w.roll_back()
        w.settle()
        after_one = w.table()
        again = w.live().release
        w.write(again, UA3=4.0, UA4=4.0)
        twice = describe_rollback(w.runtime, alias=ALIAS, to_bundle=w.bundle_of(first)).not_undone
        w.roll_back(to_bundle=w.bundle_of(first))
        w.settle()

        (receipt,) = get_receipts(w.runtime, release=second, sink=SINK)
        assert once == (
            "what its readers were already given, and what was written where trilock has no sink",
            "rows of predictions that somebody else has written since",
        )
        assert twice[2:] == (
            (
                "rows that models/delay/releases/2 (models/delay/bundles/2) wrote: "
                "it was finalized, and is not what is rolled back"
            ),
        )
        assert after_one == {"UA1": 2.0, "UA2": 2.0}
        assert w.table() == {"UA1": 2.0, "UA2": 2.0}
        assert receipt.receipt is not None
        assert receipt.receipt.rows == {RowState.PRESENT: 2}
