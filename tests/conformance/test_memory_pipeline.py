"""The pipeline in memory keeps the contract."""

import pytest

from tests.conformance.pipeline import PipelineContract
from trilock.server.planes.memory.pipeline import MemoryPipeline


class _World:
    def __init__(self) -> None:
        self.pipeline = MemoryPipeline()
        self.first = self.pipeline.commit({"model.bin": b"weights", "top.csv": b"c"})
        self.same_data = self.pipeline.commit({"model.bin": b"weights", "top.csv": b"c"})
        self.other_data = self.pipeline.commit({"model.bin": b"heavier", "top.csv": b"c"})
        self.unmade = self.pipeline.commit({"model.bin": b"weights", "report.html": None})

    def write_object(self, digest: str, content: bytes | None) -> None:
        self.pipeline.write_object(digest, content)

    def orphan_candidate(self) -> None:
        for revision in (self.same_data, self.other_data, self.unmade):
            self.pipeline.orphan(revision)

    def delete_candidate(self) -> None:
        for revision in (self.same_data, self.other_data, self.unmade):
            self.pipeline.delete_commit(revision)

    def stop(self) -> None:
        self.pipeline.down = True


class TestMemoryPipeline(PipelineContract):
    @pytest.fixture
    def world(self) -> _World:
        return _World()
