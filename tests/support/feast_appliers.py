"""Ten views that others apply while we deploy them: is what a reader sees ever half of one?"""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.support.feast_repo import FeastWorld
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import ForeignEditError, PlaneUnavailableError
from trilock.server.planes.feast.definitions import definition_bytes

VIEWS: Final = 10
FOREIGN: Final = 2
"""How many of them the others apply. The rest is written by nobody but us."""

PROJECT: Final = "ten"

_HEAD: Final = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
source = FileSource(
    name="source", path="data/celsius.parquet", timestamp_field="event_timestamp"
)
"""
_VIEW: Final = """
view_{number} = FeatureView(
    name="view_{number}",
    entities=[origin],
    ttl=timedelta(days={days}),
    schema=[Field(name="origin", dtype=String), Field(name="temp", dtype=Float64){more}],
    source=source,
)
"""


def ten_views(*, wide: bool) -> str:
    """Return Python that defines ten views; the wide ones have another ttl and one more feature."""
    more = ', Field(name="humidity", dtype=Float64)' if wide else ""
    views = "".join(
        _VIEW.format(number=number, days=9 if wide else 3, more=more) for number in range(VIEWS)
    )
    names = ", ".join(f"view_{number}" for number in range(VIEWS))
    return f"{_HEAD}{views}\ndelay = FeatureService(name='delay', features=[{names}])\n"


def both_captures(world: FeastWorld) -> tuple[FeatureCapture, FeatureCapture]:
    """Apply both variants to the project, the narrow one last, and return their captures."""
    found = []
    for wide in (True, False):
        world.apply_text(ten_views(wide=wide), name=f"ten_{wide}", project=PROJECT)
        found.append(world.store.capture_project(project=PROJECT, service="delay"))
    return found[1], found[0]


def changed(world: FeastWorld, capture: FeatureCapture, *, first: int = 0) -> int:
    """Return how many views, from number *first* on, are defined as captured."""
    captured = {o.name: definition_bytes(o.kind, o.proto) for o in capture.objects}
    names = [f"view_{number}" for number in range(first, VIEWS)]
    with world.store._stores.registry.reading() as session:
        rows = session.read(PROJECT, only=[("feature_view", name) for name in names])
    return sum(
        definition_bytes(kind, proto) == captured[name] for (kind, name), proto in rows.items()
    )


@contextmanager
def appliers(world: FeastWorld, *, seed: int) -> Iterator[Counter[str]]:
    """Let two others apply some of the views, with Feast, while the block runs."""
    stop = threading.Event()
    told: Counter[str] = Counter()
    variants = [world.objects(ten_views(wide=wide), name=f"other_{wide}") for wide in (False, True)]
    views = [{view.name: view for view in objects if hasattr(view, "ttl")} for objects in variants]

    def apply(number: int) -> None:
        store = world.feast(PROJECT)
        store.registry.cache_mode = "thread"
        order = random.Random(seed + number)  # noqa: S311 - an order, no secret
        while not stop.is_set():
            view = views[order.randrange(2)][f"view_{order.randrange(FOREIGN)}"]
            try:
                store.registry.apply_feature_view(view, PROJECT)
                told["applied"] += 1
            except Exception as error:  # noqa: BLE001 - Feast's own losing is not judged here
                told[type(error).__name__] += 1

    threads = [threading.Thread(target=apply, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def deploy_among_appliers(world: FeastWorld, *, rounds: int, seed: int) -> dict[str, Any]:
    """Deploy one variant after the other; return what came of it, and how often it was torn."""
    captures = both_captures(world)
    count: Counter[str] = Counter()
    with appliers(world, seed=seed) as others:
        for turn in range(rounds):
            wanted = captures[turn % 2]
            found = world.store.definition(wanted, project=PROJECT)
            try:
                world.store.deploy(wanted, project=PROJECT, expected=found)
                count["deployed"] += 1
            except (ForeignEditError, PlaneUnavailableError) as error:
                count[error.reason] += 1
            ours = changed(world, wanted, first=FOREIGN)
            if ours not in {0, VIEWS - FOREIGN}:
                count["torn"] += 1
    return {**count, "others": others["applied"]}
