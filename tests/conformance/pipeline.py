"""What every Pipeline owes its callers. Subclass it and provide `world`."""

from pathlib import Path
from typing import Protocol

import pytest

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.domain.errors import (
    InvalidNameError,
    NotFoundError,
    NotReadyError,
    PlaneUnavailableError,
)
from trilock.server.domain.ports import Pipeline

MODEL_DIGEST = "63f4f1e9b725370f459720575cd5f953"
"""MD5 of `weights`."""


class PipelineWorld(Protocol):
    """A repository, and what others do to it behind our back.

    Every commit recorded `model.bin`, with `weights` in it but for `other_data`.
    """

    pipeline: Pipeline
    first: str
    same_data: str
    other_data: str
    unmade: str
    """Names a `report.html` that was never made."""

    def write_object(self, digest: str, content: bytes | None) -> None:
        """Replace an object wherever it is, or remove it."""
        ...

    def orphan_candidate(self) -> None:
        """Delete the branch that leads to all commits but the first."""
        ...

    def delete_candidate(self) -> None:
        """Let git delete those commits."""
        ...

    def stop(self) -> None:
        """Let it answer nothing more."""
        ...


class PipelineContract:
    @pytest.fixture
    def world(self) -> PipelineWorld:
        raise AssertionError("a subclass provides it")

    # capture

    def test_a_capture_has_the_outputs_with_their_hashes(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.first)

        (model,) = [each for each in captured.outputs if each.path == "model.bin"]
        assert captured.revision == world.first
        assert model == PipelineOutput(
            path="model.bin", algorithm="md5", digest=MODEL_DIGEST, size=7, files=None, cached=True
        )

    def test_the_outputs_are_sorted(self, world: PipelineWorld) -> None:
        paths = [each.path for each in world.pipeline.capture(world.first).outputs]

        assert paths == sorted(set(paths))

    def test_two_captures_are_equal(self, world: PipelineWorld) -> None:
        assert world.pipeline.capture(world.first) == world.pipeline.capture(world.first)

    def test_equal_data_has_an_equal_digest(self, world: PipelineWorld) -> None:
        first, second = (world.pipeline.capture(each) for each in (world.first, world.same_data))

        assert first.state_digest == second.state_digest
        assert first != second

    def test_other_data_has_another_digest(self, world: PipelineWorld) -> None:
        first, second = (world.pipeline.capture(each) for each in (world.first, world.other_data))

        assert first.state_digest != second.state_digest

    def test_an_output_that_was_never_made_has_no_hash(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.unmade)

        (report,) = [each for each in captured.outputs if each.path == "report.html"]
        assert report.digest is None

    @pytest.mark.parametrize(
        "revision", ["", "main", "HEAD", "0" * 39, "0" * 41, "A" * 40, "0" * 40 + "\n", "--all"]
    )
    def test_only_a_full_commit_id_is_one(self, world: PipelineWorld, revision: str) -> None:
        with pytest.raises(InvalidNameError, match="full commit id"):
            world.pipeline.capture(revision)

    def test_a_missing_commit_is_not_found(self, world: PipelineWorld) -> None:
        with pytest.raises(NotFoundError, match="commit 0000"):
            world.pipeline.capture("0" * 40)

    # verify

    def test_what_is_all_there_has_no_problem(self, world: PipelineWorld) -> None:
        found = world.pipeline.verify(world.pipeline.capture(world.first))

        assert found.problems == ()
        assert found.objects > 0
        assert not found.hashed

    def test_it_says_that_it_hashed(self, world: PipelineWorld) -> None:
        found = world.pipeline.verify(world.pipeline.capture(world.first), hashing=True)

        assert found.problems == ()
        assert found.hashed

    def test_a_lost_object_is_one_problem_that_names_the_output(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.first)
        world.write_object(MODEL_DIGEST, None)

        (problem,) = world.pipeline.verify(captured).problems

        assert problem.startswith("'model.bin' is not in the cache")

    def test_a_corrupt_object_is_found_by_its_hash(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.first)
        world.write_object(MODEL_DIGEST, b"WEIGHTS")

        (problem,) = world.pipeline.verify(captured, hashing=True).problems

        assert world.pipeline.verify(captured).problems == ()
        assert problem.startswith("'model.bin' is corrupt in the cache")

    def test_a_truncated_object_is_found_by_its_size(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.first)
        world.write_object(MODEL_DIGEST, b"weigh")

        (problem,) = world.pipeline.verify(captured).problems

        assert problem.startswith("'model.bin' is corrupt in the cache (it has 5 bytes")

    def test_what_was_never_made_cannot_be_had(self, world: PipelineWorld) -> None:
        (problem,) = world.pipeline.verify(world.pipeline.capture(world.unmade)).problems

        assert problem.startswith("'report.html' has no hash")

    def test_a_commit_that_nothing_leads_to_is_a_problem(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.same_data)
        world.orphan_candidate()

        assert world.pipeline.verify(captured).problems == (
            (
                f"no branch or tag leads to commit {world.same_data}: "
                "git will delete it, unless it is tagged"
            ),
        )

    def test_a_commit_that_is_gone_is_a_problem(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.same_data)
        world.delete_candidate()

        assert world.pipeline.verify(captured).problems == (f"commit {world.same_data} is gone",)

    def test_the_data_of_a_commit_that_is_gone_are_still_looked_for(
        self, world: PipelineWorld
    ) -> None:
        captured = world.pipeline.capture(world.same_data)
        world.delete_candidate()
        world.write_object(MODEL_DIGEST, None)

        assert len(world.pipeline.verify(captured).problems) == 2

    # restore and patch

    def test_outputs_are_restored_whole(self, world: PipelineWorld, tmp_path: Path) -> None:
        captured = world.pipeline.capture(world.first)

        world.pipeline.restore(captured, into=tmp_path / "restored" / "out")

        assert (tmp_path / "restored" / "out" / "model.bin").read_bytes() == b"weights"
        assert [path.name for path in (tmp_path / "restored").iterdir()] == ["out"]

    def test_a_corrupt_output_is_named_and_nothing_is_restored(
        self, world: PipelineWorld, tmp_path: Path
    ) -> None:
        captured = world.pipeline.capture(world.first)
        world.write_object(MODEL_DIGEST, b"WEIGHTS")

        with pytest.raises(NotReadyError, match=r"'model\.bin' is corrupt in the cache"):
            world.pipeline.restore(captured, into=tmp_path / "restored" / "out")

        assert not (tmp_path / "restored" / "out").exists()

    def test_a_commit_that_agrees_needs_no_patch(self, world: PipelineWorld) -> None:
        same = world.pipeline.patch(head=world.first, revision=world.first, folder="")
        other = world.pipeline.patch(head=world.other_data, revision=world.first, folder="")

        assert (same.head, same.text) == (world.first, b"")
        assert other.text != b""

    def test_a_lock_that_was_made_by_its_own_code_is_not_stale(self, world: PipelineWorld) -> None:
        assert world.pipeline.stale(world.pipeline.capture(world.first)) == ()

    def test_a_repository_that_is_away_is_unavailable(self, world: PipelineWorld) -> None:
        captured = world.pipeline.capture(world.first)
        world.stop()

        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.pipeline.capture(world.first)
        with pytest.raises(PlaneUnavailableError, match="does not answer"):
            world.pipeline.verify(captured)
