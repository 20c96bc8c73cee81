"""Git and DVC keep the contract."""

import pytest

from tests.conformance.pipeline import PipelineContract
from tests.support.git_repo import DvcRepository, git, write
from trilock.server.planes.pipeline.git_pipeline import GitPipeline

pytestmark = pytest.mark.slow


class _World:
    def __init__(self, repository: DvcRepository) -> None:
        self.repository = repository
        self.pipeline = GitPipeline(repository.work)
        self.first = repository.first
        self.same_data = repository.same_data
        self.other_data = repository.other_data
        self.unmade = repository.unmade

    def write_object(self, digest: str, content: bytes | None) -> None:
        for path in self.repository.copies(digest):
            write(path, content)

    def orphan_candidate(self) -> None:
        git(self.repository.work, "branch", "--quiet", "-D", "candidate")

    def delete_candidate(self) -> None:
        self.orphan_candidate()
        git(self.repository.work, "reflog", "expire", "--expire=now", "--all")
        git(self.repository.work, "gc", "--quiet", "--prune=now")

    def stop(self) -> None:
        self.repository.work.rename(self.repository.root / "away")


class TestGitPipeline(PipelineContract):
    @pytest.fixture
    def world(self, dvc_repository: DvcRepository) -> _World:
        return _World(dvc_repository)
