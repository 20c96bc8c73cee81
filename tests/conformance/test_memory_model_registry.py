"""The registry in memory keeps the contract, outages included."""

import pytest

from tests.conformance.model_registry import (
    INPUTS,
    OUTPUTS,
    ModelRegistryContract,
    RegistryOutageContract,
)
from trilock.server.planes.memory.model_registry import MemoryModelRegistry


class _World:
    def __init__(self) -> None:
        self.registry = MemoryModelRegistry()
        self.model = "delay"

    def register(
        self, *, source_commit: str | None = None, feature_service: str | None = None
    ) -> str:
        return self.registry.register(
            self.model,
            inputs=INPUTS,
            outputs=OUTPUTS,
            source_commit=source_commit,
            feature_service=feature_service,
            files={"data/weights.bin": b"weights"},
        )

    def write_file(self, version: str, path: str, content: bytes | None) -> None:
        self.registry.write_file(model=self.model, version=version, path=path, content=content)

    def replace_signature(self, version: str) -> None:
        changed = b'{"signature": {"inputs": "[]"}}'
        self.registry.write_file(model=self.model, version=version, path="MLmodel", content=changed)

    def delete_version(self, version: str) -> None:
        self.registry.delete_version(model=self.model, version=version)

    def delete_model(self) -> None:
        self.registry.delete_model(self.model)

    def stop(self) -> None:
        self.registry.down = True

    def start(self) -> None:
        self.registry.down = self.registry.loses_answers = False

    def lose_answers(self) -> None:
        self.registry.loses_answers = True


class TestMemoryModelRegistry(ModelRegistryContract):
    @pytest.fixture
    def world(self) -> _World:
        return _World()


class TestMemoryModelRegistryOutage(RegistryOutageContract):
    @pytest.fixture
    def world(self) -> _World:
        return _World()
