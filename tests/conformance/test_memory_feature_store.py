"""The fake keeps the contract that the real feature store keeps."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conformance.feature_definitions import FeatureDefinitionsContract
from tests.conformance.feature_repository import FeatureRepositoryContract
from tests.conformance.feature_values import FeatureValuesContract
from tests.support.feast_objects import SCALES, feast_objects
from tests.support.feature_world import NOW, FeatureWorld
from trilock.server.planes.memory.feature_store import MemoryFeatureStore


class MemoryWorld:
    def __init__(self) -> None:
        self.store = MemoryFeatureStore()
        self.repository = Path("/repository")
        for variant in SCALES:
            for number, origin in enumerate(("EWR", "JFK", "LGA"), start=1):
                at = NOW - timedelta(hours=6)
                self.observe(variant, origin=origin, temp=10.0 * number, at=at)

    def apply(self, variant: str, *, project: str = "delay") -> None:
        self.store.apply(project, feast_objects(variant))

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
        self.store.commit(revision, folder="features", objects=feast_objects(variant))
        return revision

    def break_down(self) -> None:
        self.store.available = False


class TestMemoryFeatureStore(FeatureDefinitionsContract, FeatureValuesContract):
    @pytest.fixture
    def world(self) -> FeatureWorld:
        return MemoryWorld()


class TestMemoryFeatureRepository(FeatureRepositoryContract):
    @pytest.fixture
    def world(self) -> FeatureWorld:
        return MemoryWorld()
