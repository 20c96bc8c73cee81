"""What trilock did itself is never told as somebody else's edit; what others did is."""

from pathlib import Path

from sqlmodel import select

from tests.support.feast_objects import feast_objects
from tests.support.world import World, world
from trilock.server.store.tables import OperationEventRow


def foreign(w: World) -> list[str]:
    with w.database.read() as session:
        rows = session.exec(
            select(OperationEventRow).where(OperationEventRow.kind == "plane_foreign")
        )
        return [row.detail["plane"] for row in rows if row.detail is not None]


def test_a_switch_and_a_way_back_find_nothing_foreign(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        w.release(w.record())
        w.promote(w.record(variant="scaled"))
        w.settle()
        w.roll_back()
        w.settle()

        assert foreign(w) == []


def test_an_edit_of_the_mirror_is_told_and_overwritten(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.register()
        w.promote(w.record())
        w.settle()
        w.features.apply("delay", feast_objects("scaled"))
        w.settled(w.finalize())

        assert foreign(w) == ["feature_mirror"]
        assert w.mirrored() == {"temp": 21.0}
