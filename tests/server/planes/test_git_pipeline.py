"""What is particular to git and DVC: layouts, clones, owners, configuration, damage."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.git_repo import DvcRepository, dvc, git, write
from trilock.server.domain.errors import NotFoundError, PlaneUnavailableError, PreconditionError
from trilock.server.planes.pipeline.git_pipeline import GitPipeline

pytestmark = pytest.mark.slow

MODEL = "63f4f1e9b725370f459720575cd5f953"
PART_A = "0cc175b9c0f1b6a831c399e269772661"


def parts_digest(repository: DvcRepository) -> str:
    outputs = GitPipeline(repository.work).capture(repository.first).outputs
    (digest,) = [each.digest for each in outputs if each.path == "prep/parts"]
    assert digest is not None
    return digest


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
    }


# capture


@pytest.mark.parametrize("name", ["first", "same_data", "other_data", "unmade"])
def test_the_outputs_are_those_that_dvc_names(dvc_repository: DvcRepository, name: str) -> None:
    revision = getattr(dvc_repository, name)

    outputs = GitPipeline(dvc_repository.work).capture(revision).outputs

    found = [(each.path, each.digest, each.cached) for each in outputs]
    assert found == dvc_repository.oracle[revision]


def test_every_kind_of_output_is_read(dvc_repository: DvcRepository) -> None:
    outputs = GitPipeline(dvc_repository.work).capture(dvc_repository.first).outputs

    assert [(each.path, each.size, each.files, each.cached) for each in outputs] == [
        ("flights.csv", 17, None, True),
        ("july.count", 1, None, False),
        ("july.csv", 4, None, True),
        ("june.count", 1, None, False),
        ("june.csv", 4, None, True),
        ("metrics.json", 2, None, False),
        ("model.bin", 7, None, True),
        ("prep/parts", 2, 2, True),
        ("top.csv", 1, None, True),
    ]


def test_looking_changes_nothing_and_does_not_mind_a_dirty_tree(
    dvc_repository: DvcRepository,
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    clean = pipeline.capture(dvc_repository.first)
    (dvc_repository.work / "dvc.lock").write_text("<<<<<<< HEAD")
    (dvc_repository.work / "model.bin").unlink()
    before = snapshot(dvc_repository.root)

    assert pipeline.capture(dvc_repository.first) == clean
    assert pipeline.verify(clean, hashing=True).problems == ()
    assert snapshot(dvc_repository.root) == before


def test_it_works_while_others_hold_every_lock(dvc_repository: DvcRepository) -> None:
    (dvc_repository.work / ".git" / "index.lock").touch()
    (dvc_repository.work / ".dvc" / "tmp" / "lock").touch()
    pipeline = GitPipeline(dvc_repository.work)

    assert pipeline.verify(pipeline.capture(dvc_repository.first)).problems == ()


def test_a_repository_without_dvc_has_no_outputs(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    pipeline = GitPipeline(tmp_path)

    captured = pipeline.capture(git(tmp_path, "rev-parse", "HEAD"))

    assert captured.outputs == ()
    assert pipeline.verify(captured).problems == ()


@pytest.mark.parametrize("name", ["dvc.lock", "dvc.yaml", "flights.csv.dvc", "deep/er/dvc.yaml"])
def test_a_broken_file_is_named(dvc_repository: DvcRepository, name: str) -> None:
    file = dvc_repository.work / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("ok: 1\n<<<<<<< HEAD\n")
    git(dvc_repository.work, "add", "--force", "--all")
    git(dvc_repository.work, "commit", "--quiet", "--message", "Break it")
    revision = git(dvc_repository.work, "rev-parse", "HEAD")

    with pytest.raises(PreconditionError, match=f"^'{name}' cannot be read: it is not YAML"):
        GitPipeline(dvc_repository.work).capture(revision)


def test_a_tag_is_not_a_commit(dvc_repository: DvcRepository) -> None:
    git(dvc_repository.work, "tag", "--annotate", "v1", "--message", "one")
    tag = git(dvc_repository.work, "rev-parse", "v1")

    with pytest.raises(NotFoundError, match="it is a tag"):
        GitPipeline(dvc_repository.work).capture(tag)


def test_a_replaced_commit_is_read_as_it_was_recorded(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    before = pipeline.capture(dvc_repository.first)
    git(dvc_repository.work, "replace", dvc_repository.first, dvc_repository.other_data)

    assert pipeline.capture(dvc_repository.first) == before


# clones


def test_a_shallow_clone_is_told_apart(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    source = dvc_repository.work.as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=candidate", source, "shallow")
    pipeline = GitPipeline(tmp_path / "shallow")

    assert pipeline.capture(dvc_repository.unmade).outputs
    with pytest.raises(NotFoundError, match="shallow"):
        pipeline.capture(dvc_repository.first)


def test_a_partial_clone_fetches_nothing(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    git(dvc_repository.work, "config", "uploadpack.allowFilter", "true")
    source = dvc_repository.work.as_uri()
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", source, "partial")

    with pytest.raises(PreconditionError, match="this clone does not have its content"):
        GitPipeline(tmp_path / "partial").capture(dvc_repository.first)
    with pytest.raises(NotFoundError):
        GitPipeline(tmp_path / "partial").capture("0" * 40)


def test_a_bare_clone_with_given_places(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(dvc_repository.work), "bare")
    expected = GitPipeline(dvc_repository.work).capture(dvc_repository.first)
    pipeline = GitPipeline(
        tmp_path / "bare", cache=dvc_repository.cache, remotes=[dvc_repository.store]
    )

    assert pipeline.capture(dvc_repository.first) == expected
    assert pipeline.verify(expected, hashing=True).problems == ()


def test_a_bare_clone_says_why_it_does_not_find_its_remote(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(dvc_repository.work), "bare")
    pipeline = GitPipeline(tmp_path / "bare")

    problems = pipeline.verify(pipeline.capture(dvc_repository.first)).problems

    assert (
        "'model.bin' is not in any folder of this machine; remote 'storage' is not checked here: "
        "its path is relative, and a bare repository has no folder"
    ) in problems


def test_a_linked_worktree_is_read(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    git(dvc_repository.work, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    pipeline = GitPipeline(tmp_path / "linked")

    assert pipeline.verify(pipeline.capture(dvc_repository.first)).problems == ()


def test_a_repository_of_another_owner_is_read(dvc_repository: DvcRepository) -> None:
    if os.geteuid() == 0:
        for path in (dvc_repository.work, *dvc_repository.work.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
        with pytest.raises(subprocess.CalledProcessError):
            git(dvc_repository.work, "log")  # git itself refuses
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)

    assert pipeline.verify(captured).problems == ()
    assert pipeline.stale(captured) == ()
    assert pipeline.patch(head=None, revision=dvc_repository.first, folder="").text == b""
    pipeline.restore(captured, into=dvc_repository.root / "restored")


def test_a_folder_inside_a_repository_is_not_one(dvc_repository: DvcRepository) -> None:
    with pytest.raises(PlaneUnavailableError, match="not a git repository"):
        GitPipeline(dvc_repository.work / "prep").capture(dvc_repository.first)


def test_the_environment_does_not_lead_to_another_repository(
    dvc_repository: DvcRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))

    assert GitPipeline(dvc_repository.work).capture(dvc_repository.first).outputs


def test_git_that_hangs_is_given_up(
    dvc_repository: DvcRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    pipeline = GitPipeline(dvc_repository.work)
    monkeypatch.setenv("PATH", str(fake.parent))
    monkeypatch.setattr(pipeline._git, "_seconds", 0.2)

    with pytest.raises(PlaneUnavailableError, match=r"took longer than 0\.2 s"):
        pipeline.capture(dvc_repository.first)


def test_a_machine_without_git_says_so(
    dvc_repository: DvcRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PlaneUnavailableError, match="git is not installed"):
        GitPipeline(dvc_repository.work).capture(dvc_repository.first)


def test_a_commit_that_only_head_leads_to_is_kept(dvc_repository: DvcRepository) -> None:
    git(dvc_repository.work, "checkout", "--quiet", "--detach", dvc_repository.unmade)
    git(dvc_repository.work, "branch", "-D", "--quiet", "candidate")
    pipeline = GitPipeline(dvc_repository.work)

    assert pipeline.verify(pipeline.capture(dvc_repository.same_data)).problems == ()


# verify


def test_objects_are_counted_once_each(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)

    found = pipeline.verify(pipeline.capture(dvc_repository.first), hashing=True)

    # Five files, a folder, and the two files in it.
    assert found.objects == 8


@pytest.mark.parametrize("place", ["cache", "store"])
def test_one_copy_is_enough(dvc_repository: DvcRepository, place: str) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    shutil.rmtree(getattr(dvc_repository, place))

    assert pipeline.verify(captured, hashing=True).problems == ()


def test_a_corrupt_copy_is_named_although_another_is_intact(
    dvc_repository: DvcRepository,
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    write(dvc_repository.copies(MODEL)[0], b"WEIGHTS")

    (problem,) = pipeline.verify(captured, hashing=True).problems

    assert problem == (
        "'model.bin' is corrupt in the cache (its hash is e6f0fa61f6eff3cfdd98ebb42957ad48, "
        f"not {MODEL}); remote 'storage' has it intact"
    )


def test_a_lost_file_of_a_folder_is_named(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    for path in dvc_repository.copies(PART_A):
        write(path, None)

    (problem,) = pipeline.verify(captured).problems

    assert problem == (
        "'prep/parts' is not in the cache or remote 'storage': "
        "1 of 2 files, the first is 'prep/parts/a.csv'"
    )


def test_a_corrupt_file_of_a_folder_is_named(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    for path in dvc_repository.copies(PART_A):
        write(path, b"A")

    (problem,) = pipeline.verify(captured, hashing=True).problems

    assert problem.startswith("'prep/parts' is corrupt in the cache (its hash is 7fc56270e7a70")
    assert problem.endswith(": 1 of 2 files, the first is 'prep/parts/a.csv'")


def test_a_lost_list_of_files_is_told_as_such(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    for path in dvc_repository.copies(parts_digest(dvc_repository)):
        write(path, None)

    assert pipeline.verify(captured).problems == (
        "the list of files of 'prep/parts' is not in the cache or remote 'storage'",
    )


def test_a_corrupt_list_of_files_is_found_without_hashing_the_rest(
    dvc_repository: DvcRepository,
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    cached, _ = dvc_repository.copies(parts_digest(dvc_repository))
    write(cached, b"[]")

    (problem,) = pipeline.verify(captured).problems

    assert problem.startswith("the list of files of 'prep/parts' is corrupt in the cache")
    assert problem.endswith("remote 'storage' has it intact")


def test_an_output_in_git_is_looked_for_in_git(dvc_repository: DvcRepository) -> None:
    git(dvc_repository.work, "rm", "--quiet", "--cached", "metrics.json")
    git(dvc_repository.work, "commit", "--quiet", "--message", "Forget the metrics")
    pipeline = GitPipeline(dvc_repository.work)
    revision = git(dvc_repository.work, "rev-parse", "HEAD")

    assert pipeline.verify(pipeline.capture(revision)).problems == (
        "'metrics.json' is neither cached by DVC nor in git",
    )


def test_hashing_ends_when_its_time_is_over(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work, hash_seconds=0.0)
    captured = pipeline.capture(dvc_repository.first)

    with pytest.raises(PlaneUnavailableError, match="hashing took longer than 0 s"):
        pipeline.verify(captured, hashing=True)


def test_what_dvc_2_recorded_is_found_where_it_kept_it(dvc_repository: DvcRepository) -> None:
    # DVC 2 hashed text as if it had Unix line ends, and kept it as it was.
    digest, content = "2094b601daac3d68f5aed51d3c20f7cd", b"one\r\ntwo\r\n"
    kept = dvc_repository.cache / digest[:2] / digest[2:]
    kept.parent.mkdir()
    kept.write_bytes(content)
    (dvc_repository.work / "old.txt.dvc").write_text(
        f"outs:\n- md5: {digest}\n  size: {len(content)}\n  path: old.txt\n"
    )
    git(dvc_repository.work, "add", "--all")
    git(dvc_repository.work, "commit", "--quiet", "--message", "Keep what is old")
    dvc(dvc_repository.work, "checkout", "--quiet", "old.txt.dvc")
    assert (dvc_repository.work / "old.txt").read_bytes() == content  # DVC 3 finds it there too
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(git(dvc_repository.work, "rev-parse", "HEAD"))

    assert pipeline.verify(captured, hashing=True).problems == ()
    write(kept, content.replace(b"two", b"TWO"))
    (problem,) = pipeline.verify(captured, hashing=True).problems
    assert problem.startswith("'old.txt' is corrupt in the cache")


# configuration


def test_a_cache_and_a_remote_that_were_moved_are_followed(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    shutil.move(dvc_repository.cache, dvc_repository.root / "elsewhere")
    shutil.rmtree(dvc_repository.store)
    dvc(dvc_repository.work, "cache", "dir", "--local", "../elsewhere")

    assert pipeline.verify(captured).problems == ()


def test_local_configuration_wins(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    shutil.rmtree(dvc_repository.cache)
    shutil.move(dvc_repository.store, dvc_repository.root / "moved")
    dvc(dvc_repository.work, "remote", "modify", "--local", "storage", "url", "../moved")

    assert pipeline.verify(captured).problems == ()


def test_a_cloud_remote_is_named_only_when_something_is_not_in_the_cache(
    dvc_repository: DvcRepository,
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    shutil.rmtree(dvc_repository.store)
    dvc(dvc_repository.work, "remote", "modify", "storage", "url", "s3://bucket/path")

    assert pipeline.verify(captured).problems == ()
    write(dvc_repository.copies(MODEL)[0], None)
    assert pipeline.verify(captured).problems == (
        "'model.bin' is not in the cache; remote 'storage' is not checked here: it is at s3://",
    )


def test_a_dvc_repository_in_a_folder_has_its_own_cache(tmp_path: Path) -> None:
    top = tmp_path / "mono"
    part = top / "services" / "delay"
    part.mkdir(parents=True)
    git(top, "init", "--quiet")
    dvc(part, "init", "--quiet", "--subdir")
    (part / "data.csv").write_text("1\n")
    dvc(part, "add", "--quiet", "data.csv")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "Begin")
    pipeline = GitPipeline(top)

    captured = pipeline.capture(git(top, "rev-parse", "HEAD"))

    assert [each.path for each in captured.outputs] == ["services/delay/data.csv"]
    assert pipeline.verify(captured, hashing=True).problems == ()


def test_broken_configuration_is_named(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    (dvc_repository.work / ".dvc" / "config.local").write_text("nonsense")

    with pytest.raises(PreconditionError, match=r"^'\.dvc/config\.local' cannot be read"):
        pipeline.verify(captured)
