"""Outputs come back as they were recorded, or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.feast_repo import ForkWorker, SqliteWorld, feast_warnings
from tests.support.git_repo import DvcRepository, dvc, git, write
from trilock.server.domain.errors import (
    AlreadyExistsError,
    NotFoundError,
    NotReadyError,
    PreconditionError,
)
from trilock.server.planes.pipeline.git_pipeline import GitPipeline
from trilock.server.planes.pipeline.workspace import FolderWorkspace

pytestmark = pytest.mark.slow

MODEL = "63f4f1e9b725370f459720575cd5f953"
"""MD5 of `weights`."""


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


RECORDED = {
    "flights.csv": b"flight,delay\n1,2\n",
    "july.count": b"1",
    "july.csv": b"july",
    "june.count": b"1",
    "june.csv": b"june",
    "metrics.json": b"{}",
    "model.bin": b"weights",
    "prep/parts/a.csv": b"a",
    "prep/parts/b.csv": b"b",
    "top.csv": b"c",
}


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        """Say nothing."""


@contextmanager
def http_remote(folder: Path) -> Iterator[str]:
    """Serve *folder* as DVC's HTTP remote does, on loopback."""
    handler = partial(_QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_every_output_comes_back_and_nothing_else(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    pipeline = GitPipeline(dvc_repository.work)

    pipeline.restore(pipeline.capture(dvc_repository.first), into=tmp_path / "out")

    assert files(tmp_path / "out") == RECORDED


def test_a_corrupt_copy_is_passed_over_for_an_intact_one(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    in_cache, _ = dvc_repository.copies(MODEL)
    write(in_cache, b"WEIGHTS")
    pipeline = GitPipeline(dvc_repository.work)

    pipeline.restore(pipeline.capture(dvc_repository.first), into=tmp_path / "out")

    assert files(tmp_path / "out") == RECORDED
    assert in_cache.read_bytes() == b"WEIGHTS"


def test_what_is_corrupt_everywhere_is_named_and_never_delivered(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    for copy in dvc_repository.copies(MODEL):
        write(copy, b"WEIGHTS")
    pipeline = GitPipeline(dvc_repository.work)

    with pytest.raises(NotReadyError) as raised:
        pipeline.restore(pipeline.capture(dvc_repository.first), into=tmp_path / "out")

    wrong = hashlib.md5(b"WEIGHTS").hexdigest()  # noqa: S324 - as DVC
    (problem,) = raised.value.problems
    assert problem == (
        f"'model.bin' is corrupt in the cache (its hash is {wrong}, not {MODEL}), "
        f"remote 'storage' (its hash is {wrong}, not {MODEL})"
    )
    assert not (tmp_path / "out").exists()
    assert [path for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_everything_that_is_missing_is_named(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.unmade)
    for copy in dvc_repository.copies("0cc175b9c0f1b6a831c399e269772661"):
        write(copy, None)

    with pytest.raises(NotReadyError) as raised:
        pipeline.restore(captured, into=tmp_path / "out")

    assert raised.value.problems == (
        "'prep/parts/a.csv' is not in the cache or remote 'storage'",
        "'report.html' has no hash: it was never made",
    )


def test_what_is_there_is_not_overwritten(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pipeline = GitPipeline(dvc_repository.work)

    with pytest.raises(AlreadyExistsError, match="folder 'out' exists already"):
        pipeline.restore(pipeline.capture(dvc_repository.first), into=tmp_path / "out")


def test_a_manifest_cannot_lead_outside(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    raw = b'[{"md5": "0cc175b9c0f1b6a831c399e269772661", "relpath": "../../evil.csv"}]'
    digest = hashlib.md5(raw).hexdigest()  # noqa: S324 - as DVC
    place = dvc_repository.cache / "files" / "md5" / digest[:2] / f"{digest[2:]}.dir"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(raw)
    evil = replace(
        captured,
        outputs=tuple(
            replace(each, digest=f"{digest}.dir") if each.path == "prep/parts" else each
            for each in captured.outputs
        ),
    )

    with pytest.raises(NotReadyError, match=r"lists '\.\./\.\./evil.csv', which is outside of it"):
        pipeline.restore(evil, into=tmp_path / "a" / "out")

    assert not list(tmp_path.rglob("evil.csv"))


def test_what_is_only_in_an_http_remote_is_fetched_by_dvc_and_hashed(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    captured = pipeline.capture(dvc_repository.first)
    cached, _ = dvc_repository.copies(MODEL)
    write(cached, None)
    away = dvc_repository.store.rename(tmp_path / "away")
    with http_remote(away) as url:
        config = dvc_repository.work / ".dvc" / "config"
        config.write_text(f"[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = {url}\n")
        checked = pipeline.verify(captured)

        pipeline.restore(captured, into=tmp_path / "out")
        (away / "files" / "md5" / MODEL[:2] / MODEL[2:]).chmod(0o644)
        (away / "files" / "md5" / MODEL[:2] / MODEL[2:]).write_bytes(b"WEIGHTS")
        with pytest.raises(NotReadyError, match=r"model\.bin"):
            pipeline.restore(captured, into=tmp_path / "again")

    assert files(tmp_path / "out") == RECORDED
    assert not (tmp_path / "again").exists()
    assert dvc_repository.copies(MODEL) == []
    assert checked.problems == checked.unchecked
    assert len(checked.unchecked) == 1


def test_an_import_is_fetched_from_where_it_comes(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    work = tmp_path / "importing"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch", "main")
    dvc(work, "init", "--quiet")
    dvc(work, "import", "--quiet", str(dvc_repository.work), "model.bin")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "Import")
    pipeline = GitPipeline(work)
    captured = pipeline.capture(git(work, "rev-parse", "HEAD"))
    for copy in (work / ".dvc" / "cache").rglob(MODEL[2:]):
        write(copy, None)

    pipeline.restore(captured, into=tmp_path / "out")

    assert files(tmp_path / "out") == {"model.bin": b"weights"}


def test_a_workspace_switches_from_one_commit_to_another(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    workspace = FolderWorkspace(tmp_path / "outputs", pipeline)
    first, other = (
        pipeline.capture(each) for each in (dvc_repository.first, dvc_repository.other_data)
    )

    nothing = workspace.current()
    workspace.checkout(first)
    before = (workspace.current(), files(tmp_path / "outputs" / "current")["model.bin"])
    workspace.checkout(other)
    after = (workspace.current(), files(tmp_path / "outputs" / "current")["model.bin"])
    for _ in range(2):
        workspace.checkout(first)

    assert nothing is None
    assert before == (dvc_repository.first, b"weights")
    assert after == (dvc_repository.other_data, b"heavier")
    # The link, the folder it leads to, and the one before it.
    assert len(list((tmp_path / "outputs").iterdir())) == 3


def test_a_workspace_stays_as_it_is_when_something_is_corrupt(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    pipeline = GitPipeline(dvc_repository.work)
    workspace = FolderWorkspace(tmp_path / "outputs", pipeline)
    workspace.checkout(pipeline.capture(dvc_repository.other_data))
    for copy in dvc_repository.copies(MODEL):
        write(copy, b"WEIGHTS")

    with pytest.raises(NotReadyError, match="corrupt in the cache"):
        workspace.checkout(pipeline.capture(dvc_repository.first))

    assert workspace.current() == dvc_repository.other_data
    assert len(list((tmp_path / "outputs").iterdir())) == 2


def test_a_folder_of_somebody_elses_is_not_replaced(
    dvc_repository: DvcRepository, tmp_path: Path
) -> None:
    (tmp_path / "outputs" / "current").mkdir(parents=True)
    pipeline = GitPipeline(dvc_repository.work)

    with pytest.raises(PreconditionError, match="'current' in workspace 'outputs' is not a link"):
        FolderWorkspace(tmp_path / "outputs", pipeline).checkout(
            pipeline.capture(dvc_repository.first)
        )


def test_a_lock_of_its_own_code_is_not_stale(dvc_repository: DvcRepository) -> None:
    pipeline = GitPipeline(dvc_repository.work)

    for revision in (dvc_repository.first, dvc_repository.other_data):
        assert pipeline.stale(pipeline.capture(revision)) == ()


def test_what_was_committed_without_running_it_is_stale(tmp_path: Path) -> None:
    work = tmp_path / "repo"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch", "main")
    dvc(work, "init", "--quiet")
    (work / "gen.py").write_text("print(1)\n")
    (work / "params.yaml").write_text("rate: 1\nother: 2\n")
    (work / "dvc.yaml").write_text(
        "stages:\n"
        "  first:\n    cmd: cp gen.py a.txt\n    deps: [gen.py]\n    params: [rate]\n"
        "    outs: [a.txt]\n"
        "  second:\n    cmd: cp a.txt b.txt\n    deps: [a.txt]\n    outs: [b.txt]\n"
    )
    dvc(work, "repro", "--quiet")

    def commit() -> tuple[str, ...]:
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "change")
        pipeline = GitPipeline(work)
        return pipeline.stale(pipeline.capture(git(work, "rev-parse", "HEAD")))

    good = commit()
    (work / "gen.py").write_text("print(2)\n")
    (work / "params.yaml").write_text("rate: 3\nother: 4\n")
    text = (work / "dvc.yaml").read_text()
    (work / "dvc.yaml").write_text(text.replace("cp a.txt b.txt", "cp -p a.txt b.txt"))

    assert good == ()
    assert commit() == (
        "stage 'first' of 'dvc.yaml' was run on another 'gen.py' than the commit has",
        "stage 'first' of 'dvc.yaml' was run with rate = 1, and 'params.yaml' says 3",
        "stage 'second' of 'dvc.yaml' has another command than its lock",
    )


def test_the_patch_takes_a_folder_back(tmp_path: Path) -> None:
    work = tmp_path / "repo"
    (work / "features").mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch", "main")
    (work / "features" / "features.py").write_text("a = 1\n")
    (work / "features" / "gone.bin").write_bytes(b"\0\1\2")
    (work / "README.md").write_text("hello\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "good")
    good = git(work, "rev-parse", "HEAD")
    (work / "features" / "features.py").write_text("a = 2\n")
    (work / "features" / "gone.bin").unlink()
    (work / "features" / "new.py").write_text("b = 1\n")
    (work / "README.md").write_text("goodbye\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "bad")
    # What a user has set up for their eyes is not in a patch.
    git(work, "config", "diff.noprefix", "true")
    git(work, "config", "color.ui", "always")
    pipeline = GitPipeline(work)

    made = pipeline.patch(head=None, revision=good, folder="features")
    (tmp_path / "revert.patch").write_bytes(made.text)
    git(work, "apply", str(tmp_path / "revert.patch"))

    assert made.head == git(work, "rev-parse", "HEAD")
    assert files(work / "features") == {"features.py": b"a = 1\n", "gone.bin": b"\0\1\2"}
    assert (work / "README.md").read_text() == "goodbye\n"
    assert pipeline.patch(head=good, revision=good, folder="features").text == b""
    with pytest.raises(NotFoundError, match="commit 0000"):
        pipeline.patch(head="0" * 40, revision=good, folder="")


def test_the_patch_is_made_in_a_bare_clone(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(dvc_repository.work), "bare")
    bare = GitPipeline(tmp_path / "bare")

    made = bare.patch(head=dvc_repository.other_data, revision=dvc_repository.first, folder="")

    assert b"diff --git a/README.md b/README.md\ndeleted file mode 100644" in made.text


@feast_warnings
def test_a_capture_after_the_patch_is_what_is_live(tmp_path: Path) -> None:
    feast = SqliteWorld(tmp_path / "feast", worker=ForkWorker())
    good = feast.commit("celsius")
    feast.commit("scaled")
    work = feast.repository

    def captured(revision: str) -> str:
        capture = feast.store.capture_repository(
            repository=work, revision=revision, folder="features", service="delay"
        )
        return capture.definition_digest

    before, bad = captured(good), captured(git(work, "rev-parse", "HEAD"))
    patch = GitPipeline(work).patch(head=None, revision=good, folder="features")
    (tmp_path / "revert.patch").write_bytes(patch.text)
    git(work, "apply", str(tmp_path / "revert.patch"))
    git(work, "commit", "--quiet", "--all", "--message", "Agree with what is live")
    after = captured(git(work, "rev-parse", "HEAD"))
    feast.close()

    assert after == before
    assert bad != before


def test_a_shallow_clone_says_what_it_lacks(dvc_repository: DvcRepository, tmp_path: Path) -> None:
    source = f"file://{dvc_repository.work}"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=candidate", source, "shallow")

    with pytest.raises(NotFoundError, match="git fetch --unshallow"):
        GitPipeline(tmp_path / "shallow").patch(head=None, revision=dvc_repository.first, folder="")
