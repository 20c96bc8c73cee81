"""The fake keeps the contract that the real feature store keeps."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conformance.feature_store import (
    NOW,
    FeatureRepositoryContract,
    FeatureStoreContract,
    FeatureWorld,
)
from trilock.compat import RawObject
from trilock.server.planes.memory_feature_store import MemoryFeatureStore

SCALES = {"celsius": 1.0, "scaled": 100.0}


def objects(variant: str) -> list[RawObject]:
    source = {
        "name": "weather_source",
        "type": 1,
        "timestamp_field": "event_timestamp",
        "file_options": {"uri": f"data/{variant}.parquet"},
    }
    trip = {"name": "trip", "type": 7}
    features = [{"name": "temp", "value_type": 5}]
    if variant == "scaled":
        features.append({"name": "humidity", "value_type": 5})
    weather = {
        "name": "weather",
        "entities": ["origin"],
        "features": features,
        "ttl": "2592000s",
        "online": True,
        "batch_source": source,
    }
    projection = {"feature_view_name": "weather", "feature_columns": features}
    derived = {
        "name": "derived",
        "features": [{"name": "temp_distance", "value_type": 5}],
        "sources": {
            "weather": {"feature_view_projection": projection},
            "trip": {"request_data_source": trip},
        },
    }
    airports = {"name": "airports", "entities": ["origin"], "online": True}
    columns = {"feature_view_name": "derived", "feature_columns": derived["features"]}
    definitions: list[tuple[str, dict[str, object]]] = [
        ("entity", {"spec": {"name": "origin", "join_key": "origin"}}),
        ("data_source", source),
        ("data_source", trip),
        ("feature_view", {"spec": weather}),
        ("feature_view", {"spec": airports}),
        ("on_demand_feature_view", {"spec": derived}),
        ("feature_service", {"spec": {"name": "delay", "features": [projection, columns]}}),
        (
            "feature_service",
            {"spec": {"name": "places", "features": [{"feature_view_name": "airports"}]}},
        ),
    ]
    return [
        RawObject(kind=kind, name=_name(definition), definition=definition, unknown_fields=False)
        for kind, definition in definitions
    ]


def _name(definition: dict[str, object]) -> str:
    head = definition.get("spec", definition)
    assert isinstance(head, dict)
    return str(head["name"])


class MemoryWorld:
    def __init__(self) -> None:
        self.store = MemoryFeatureStore()
        self.repository = Path("/repository")
        for variant in SCALES:
            for number, origin in enumerate(("EWR", "JFK", "LGA"), start=1):
                at = NOW - timedelta(hours=6)
                self.observe(variant, origin=origin, temp=10.0 * number, at=at)

    def apply(self, variant: str, *, project: str = "delay") -> None:
        self.store.apply(project, objects(variant))

    def observe(self, variant: str, *, origin: str, temp: float, at: datetime) -> None:
        value = temp * SCALES[variant]
        self.store.observe(
            f"data/{variant}.parquet",
            entity=origin,
            at=at,
            values={"temp": value, "humidity": value},
        )

    def temp(self, project: str, *, origin: str) -> object:
        return self.store.served(project, "delay", entity=origin)["temp"]

    def commit(self, variant: str) -> str:
        revision = "1" * 40
        self.store.commit(revision, folder="features", objects=objects(variant))
        return revision

    def break_down(self) -> None:
        self.store.available = False


class TestMemoryFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def world(self) -> FeatureWorld:
        return MemoryWorld()


class TestMemoryFeatureRepository(FeatureRepositoryContract):
    @pytest.fixture
    def world(self) -> FeatureWorld:
        return MemoryWorld()
