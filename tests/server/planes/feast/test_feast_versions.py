"""Feast's own versions of views do not bring back what was; a deployed capture does.

In each test the naive way, Feast's version pin, is taken first and fails. Where that
may change one day, the test says so by failing.
"""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from sqlalchemy import event

from tests.support.feast_repo import NOW, FeastWorld, feast_warnings, features_py
from tests.support.feast_statements import CrashError
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.ports import Window
from trilock.server.planes.feast.feature_store import FeastFeatureStore

pytestmark = [pytest.mark.slow, feast_warnings]

DAY = Window(start=NOW - timedelta(days=1), end=NOW)
NESTED = """
from feast.types import Array, Int64, Struct


@on_demand_feature_view(
    sources=[weather],
    schema=[
        Field(name="pair", dtype=Struct({"a": Int64}), description="two of them"),
        Field(name="grid", dtype=Array(Array(Int64))),
    ],
)
def nested(inputs: pd.DataFrame) -> pd.DataFrame:
    return inputs


delay = FeatureService(name="delay", features=[weather, nested])
"""


def captured(world: FeastWorld, text: str, *, name: str) -> FeatureCapture:
    """Apply *text* to the live project `delay`, and capture it."""
    world.apply_text(text, name=name)
    return world.store.capture_project(project="delay", service="delay")


def put_back(world: FeastWorld, capture: FeatureCapture) -> None:
    """Deploy *capture* into the live project."""
    found = world.store.definition(capture, project="delay")
    world.store.deploy(capture, project="delay", expected=found)


def pin(world: FeastWorld, view: str, version: str) -> None:
    """Do what Feast's documentation says: the active definition with another version."""
    store = world.feast("delay")
    active = store.registry.get_any_feature_view(view, "delay")
    active.version = version
    store.registry.apply_feature_view(active, "delay")


def view(world: FeastWorld, name: str = "weather") -> Any:
    return world.feast("delay").registry.get_any_feature_view(name, "delay")


def versions(world: FeastWorld, name: str = "weather") -> list[str]:
    return [one["version"] for one in world.feast("delay").list_feature_view_versions(name)]


def fields(world: FeastWorld) -> list[str]:
    return sorted(field.name for field in view(world).features)


def is_back(world: FeastWorld, capture: FeatureCapture) -> bool:
    return world.store.definition(capture, project="delay") == capture.definition_digest


def test_a_pin_takes_back_the_time_to_live_of_the_first_day(world: FeastWorld) -> None:
    """A mended ttl makes no version of Feast's; it is a definition of its own to trilock."""
    first = captured(world, features_py("celsius"), name="celsius")
    mended_text = features_py("celsius").replace("ttl=timedelta(days=30)", "ttl=timedelta(days=9)")
    mended = captured(world, mended_text, name="mended")
    assert versions(world) == ["v0"]
    world.apply("scaled")

    pin(world, "weather", "v0")
    naive = (fields(world), view(world).ttl)
    put_back(world, mended)

    assert naive == (["temp"], timedelta(days=30))
    assert (fields(world), view(world).ttl) == (["temp"], timedelta(days=9))
    assert first.definition_digest != mended.definition_digest


def test_a_pin_refuses_all_but_the_active_definition(world: FeastWorld) -> None:
    good = captured(world, features_py("celsius"), name="celsius")
    old = view(world)
    world.apply("scaled")
    old.version = "v0"

    with pytest.raises(Exception, match="v0") as naive:
        world.feast("delay").registry.apply_feature_view(old, "delay")
    put_back(world, good)

    assert type(naive.value).__name__ == "FeatureViewPinConflict"
    assert is_back(world, good)


def test_an_apply_after_a_pin_makes_the_same_version_twice(world: FeastWorld) -> None:
    """After ours it is drift that is told of, and no third version of two definitions."""
    good = captured(world, features_py("celsius"), name="celsius")
    bad = captured(world, features_py("scaled"), name="scaled")
    pin(world, "weather", "v0")

    world.apply("scaled")
    naive = versions(world)
    put_back(world, good)
    put_back(world, bad)
    put_back(world, good)

    assert naive == ["v0", "v1", "v2"]
    assert versions(world) == naive
    assert is_back(world, good)


def test_staging_a_version_promotes_it(world: FeastWorld) -> None:
    """`no_promote` is written to the active row first; a project of its own touches nothing."""
    captured(world, features_py("celsius"), name="celsius")
    staged = world.objects(features_py("scaled"), name="scaled")
    (weather,) = (one for one in staged if getattr(one, "name", "") == "weather")
    world.apply("scaled", project="elsewhere")
    bad = world.store.capture_project(project="elsewhere", service="delay")

    world.store.deploy(bad, project="delay__s2", expected=None)
    ours = fields(world)
    store = world.feast("delay")
    weather.entity_columns = view(world).entity_columns
    store.registry.apply_feature_view(weather, "delay", no_promote=True)

    assert ours == ["temp"]
    assert fields(world) == ["humidity", "temp"]


def test_numbers_of_versions_are_given_again(world: FeastWorld) -> None:
    """`v0` is another definition after a view was deleted; a digest stays what it was."""
    good = captured(world, features_py("celsius"), name="celsius")
    store = world.feast("delay")
    for service in ("delay", "places"):
        store.delete_feature_service(service)
    store.registry.delete_feature_view("derived", "delay")
    store.registry.delete_feature_view("weather", "delay")
    bad = captured(world, features_py("scaled"), name="scaled")
    naive = versions(world)

    pin(world, "weather", "v0")
    pinned = fields(world)
    put_back(world, good)

    assert (naive, pinned) == (["v0"], ["humidity", "temp"])
    assert fields(world) == ["temp"]
    assert good.definition_digest != bad.definition_digest


def test_a_crash_leaves_an_active_definition_without_a_version(world: FeastWorld) -> None:
    """Feast never goes back to it; what was captured is there for good."""
    world.apply("celsius")
    objects = world.objects(features_py("scaled"), name="scaled")
    store = world.feast("delay")
    store.registry.cache_mode = "thread"

    def die(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.upper().startswith("INSERT INTO FEATURE_VIEW_VERSION_HISTORY"):
            raise CrashError(statement)

    event.listen(store.registry.write_engine, "before_cursor_execute", die)
    with pytest.raises(CrashError):
        store.apply(objects)
    world.apply("scaled")
    good = world.store.capture_project(project="delay", service="delay")
    assert fields(world) == ["humidity", "temp"]

    world.apply("celsius")
    registry = world.feast("delay").registry
    naive = [
        [
            field.name
            for field in registry.get_feature_view_by_version("weather", "delay", n).features
        ]
        for n in range(len(versions(world)))
    ]
    put_back(world, good)

    assert naive == [["temp"], ["temp"]]
    assert fields(world) == ["humidity", "temp"]


def test_nested_fields_are_corrupted_by_a_pin(world: FeastWorld) -> None:
    """Feast reads a Struct back as a string, and writes what it has read."""

    def apply(text: str, *, name: str) -> None:
        # Feast's inference knows no Struct.
        registry = world.feast("delay").registry
        for one in world.objects(text, name=name):
            if getattr(one, "name", "") == "nested":
                registry.apply_feature_view(one, "delay")
            if type(one).__name__ == "FeatureService":
                registry.apply_feature_service(one, "delay")

    text = features_py("celsius") + NESTED
    world.apply("celsius")
    apply(text, name="nested")
    good = world.store.capture_project(project="delay", service="delay")
    apply(text.replace("return inputs", "return inputs.copy()"), name="copying")
    assert versions(world, "nested") == ["v0", "v1"]

    pin(world, "nested", "v0")
    naive = is_back(world, good)
    put_back(world, good)

    assert not naive
    assert is_back(world, good)


def test_a_pin_leaves_services_behind_that_cannot_be_served(world: FeastWorld) -> None:
    good = captured(world, features_py("celsius"), name="celsius")
    world.apply("scaled")
    world.feast("delay").materialize(DAY.start, DAY.end)

    pin(world, "weather", "v0")
    with pytest.raises(ValueError, match="contains humidity which the FeatureView doesn't have"):
        world.serve("delay", origin="JFK")
    put_back(world, good)

    assert sorted(world.serve("delay", origin="JFK")) == ["origin", "temp", "temp_distance"]


def test_a_service_of_a_pinned_view_does_not_serve(world: FeastWorld) -> None:
    """Ours says so when it is recorded, not when it is asked for features."""
    world.apply("celsius")
    pin(world, "weather", "v0")
    from feast import FeatureService  # noqa: PLC0415 - takes seconds

    store = world.feast("delay")
    pinned = view(world)
    pinned.version = "v0"
    store.registry.apply_feature_service(FeatureService(name="pinned", features=[pinned]), "delay")
    store.materialize(DAY.start, DAY.end)
    store = world.feast("delay")

    with pytest.raises(Exception, match="versioning"):
        store.get_online_features(
            features=store.get_feature_service("pinned"), entity_rows=[{"origin": "JFK"}]
        ).to_dict()
    with pytest.raises(PreconditionError, match="'weather' is pinned at Feast's version 0"):
        world.store.capture_project(project="delay", service="pinned")


# Feast's online versioning: a table for each version of a view. Ours is a project for each schema.


def switch_versioning_on(world: FeastWorld) -> None:
    """Have Feast keep a table for each version of a view, and feed the first two."""
    registry = yaml.safe_load(world.yaml.read_text())["registry"]
    world.configure(registry={**registry, "enable_online_feature_view_versioning": True})
    for variant in ("celsius", "scaled"):
        world.apply(variant, project="naive")
        world.feast("naive").materialize(DAY.start, DAY.end)


def read(world: FeastWorld, *refs: str) -> dict[str, object]:
    answer = world.feast("naive").get_online_features(
        features=list(refs), entity_rows=[{"origin": "JFK"}]
    )
    return {name: values[0] for name, values in answer.to_dict().items() if name != "origin"}


def side_by_side(world: FeastWorld, variant: str, project: str) -> None:
    """Capture what is live, and have it filled in a project of its own."""
    world.apply(variant)
    capture = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(capture, project=project, expected=None)
    world.store.fill(capture, project=project, window=DAY, progress=lambda _: None)


def test_with_versions_online_a_service_reads_another_table_than_its_view(
    world: FeastWorld,
) -> None:
    side_by_side(world, "celsius", "delay__s1")
    side_by_side(world, "scaled", "delay__s2")
    ours = [world.serve(project, origin="JFK")["temp"] for project in ("delay__s1", "delay__s2")]

    switch_versioning_on(world)

    assert read(world, "weather:temp", "weather:humidity") == {"temp": 2000.0, "humidity": 2000.0}
    assert world.serve("naive", origin="JFK")["humidity"] is None
    assert ours == [20.0, 2000.0]
    with pytest.raises(PreconditionError, match="enable_online_feature_view_versioning"):
        FeastFeatureStore(world.yaml, worker_timeout=60.0)


def test_with_versions_online_a_change_of_the_time_to_live_serves_old_values(
    world: FeastWorld,
) -> None:
    switch_versioning_on(world)
    before = read(world, "weather:temp")

    text = features_py("scaled").replace("ttl=timedelta(days=30)", "ttl=timedelta(days=29)")
    world.apply_text(text, name="shorter", project="naive")

    assert before == {"temp": 2000.0}
    assert read(world, "weather:temp") == {"temp": 20.0}
    with pytest.raises(PreconditionError, match="enable_online_feature_view_versioning"):
        FeastFeatureStore(world.yaml, worker_timeout=60.0)


# Values online.


def test_a_feature_that_comes_back_brings_its_old_values_along(world: FeastWorld) -> None:
    """Feast keeps the rows of a feature that is gone; a project of its own begins empty."""
    world.apply("scaled")
    world.feast("delay").materialize(DAY.start, DAY.end)
    world.apply("celsius")

    world.apply("scaled")
    again = world.store.capture_project(project="delay", service="delay")
    world.store.deploy(again, project="delay__s2", expected=None)

    assert world.serve("delay", origin="JFK")["humidity"] == 2000.0
    assert world.serve("delay__s2", origin="JFK")["humidity"] is None
