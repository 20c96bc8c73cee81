"""Whatever the code of a feature repository does, a check of it says one line and ends.

The worker process is the real one; its job only imports the repository, without
Feast, so that these tests are quick.
"""

import os
import select
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.command_line import Run, Trilock
from trilock.compat import baseline_text
from trilock.server.planes.feast import working_tree
from trilock.server.planes.feast.process import WorkerProcess

JOBS = """
from pathlib import Path

def apply_repository(request, tell):
    exec(compile(Path("features.py").read_text(), "features.py", "exec"), {})
    tell({"project": request["project"]})

JOBS = {"apply_repository": apply_repository}
"""


@pytest.fixture(autouse=True)
def _quick_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "importing_jobs.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(
        working_tree, "WorkerProcess", partial(WorkerProcess, jobs="importing_jobs")
    )


def check(folder: Path, text: str, *options: str) -> Run:
    """Check a repository whose Python is *text*, by a baseline without readers."""
    (folder / "features.py").write_text(text)
    (folder / "feature_store.yaml").write_text("project: delay\nregistry: data/registry.db\n")
    baseline = folder / "baseline.json"
    baseline.write_text(baseline_text([]))
    return Trilock("127.0.0.1:1")(
        "check", f"--repo={folder}", f"--baseline={baseline}", "--timeout=30", *options
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nraise ValueError('broken')\n", "features.py:2: ValueError: broken"),
        ("def f():\n    return 1 / 0\n\nf()\n", "features.py:2: ZeroDivisionError: division by"),
        ("import sys\nsys.exit('enough')\n", "features.py:2: SystemExit: enough"),
        ("import sys\nsys.exit(0)\n", "features.py:2: SystemExit: 0"),
        ("x = 1\ndef", "features.py:2: SyntaxError: invalid syntax"),
        ("import os\nos._exit(0)\n", "the repository's code ended the process it was imported in"),
        ("import os\nos._exit(3)\n", "Feast's worker ended with exit code 3: it said nothing"),
        ("raise KeyboardInterrupt", "features.py:1: KeyboardInterrupt"),
        ("def f():\n    f()\nf()\n", "features.py:2: RecursionError: maximum recursion depth"),
    ],
)
def test_code_that_cannot_be_imported_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    run = check(tmp_path, text)

    assert (run.code, run.out, run.err.count("\n")) == (1, "", 1)
    assert run.err.startswith(
        f"error: undecidable: the feature repository {str(tmp_path)!r} cannot be read: {words}"
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("json", '"problem": "features.py:2: ValueError: broken"'),
        ("junit", 'errors="1"'),
        ("github", "features.py,line=2,title=EVI001"),
        ("gitlab", '"begin": 2'),
        ("sarif", '"startLine": 2'),
    ],
)
def test_who_waits_for_an_outcome_gets_one_all_the_same(
    output: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    run = check(tmp_path, "x = 1\nraise ValueError('broken')\n", "-o", output)

    assert run.code == 1
    assert words in run.out
    assert "features.py:2: ValueError: broken" in run.err


def test_code_that_hangs_is_ended_with_its_children_and_said_where(tmp_path: Path) -> None:
    child = tmp_path / "child"
    text = f"""import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(child)!r}, "w").write(str(child.pid))
while True:
    time.sleep(600)
"""

    run = check(tmp_path, text, "--timeout=5")

    assert run.code == 1
    assert "features.py:5: Feast's worker was stopped after 5 s" in run.err
    assert gone(int(child.read_text()))


def test_what_the_code_prints_is_not_the_outcome(tmp_path: Path) -> None:
    run = check(tmp_path, "print('{}')\nimport os\nos.write(2, b'noise')\n", "-o", "json")

    assert (run.code, run.err) == (0, "")
    assert run.json["verdict"] == "COMPATIBLE"


def test_the_code_gets_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILOCK_TOKEN_FILE", "secret")
    text = "import os\nassert not [one for one in os.environ if one.startswith('TRILOCK_')]\n"

    assert check(tmp_path, text).code == 0


def test_a_folder_that_is_no_feature_repository(tmp_path: Path) -> None:
    baseline = tmp_path / "b.json"
    baseline.write_text(baseline_text([]))

    for folder in (tmp_path, tmp_path / "nowhere", baseline):
        run = Trilock("127.0.0.1:1")("check", f"--repo={folder}", f"--baseline={baseline}")
        assert run.code == 2
        assert run.err.startswith(f"error: {folder / 'feature_store.yaml'} does not exist; --repo")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("project: [", "feature_store.yaml is not YAML (line 1)"),
        ("registry: x", "feature_store.yaml names no project"),
        ("\xff", "feature_store.yaml names no project"),
    ],
)
def test_settings_that_cannot_be_read(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "feature_store.yaml").write_text(text, encoding="utf-8")
    baseline = tmp_path / "b.json"
    baseline.write_text(baseline_text([]))

    run = Trilock("127.0.0.1:1")("check", f"--repo={tmp_path}", f"--baseline={baseline}")

    assert (run.code, run.out) == (1, "")
    assert words in run.err


def gone(pid: int) -> bool:
    """Return whether the process ends soon, if it has not already."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor) as process:
        return bool(select.select([process], [], [], 10.0)[0])


def test_ctrl_c_ends_the_code_too(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    text = f"""import os, time
open({str(ready)!r}, "w").write(str(os.getpid()))
time.sleep(600)
"""
    (tmp_path / "features.py").write_text(text)
    (tmp_path / "feature_store.yaml").write_text("project: delay\n")
    (tmp_path / "b.json").write_text(baseline_text([]))
    program = f"""
from functools import partial
from trilock.cli import main
from trilock.server.planes.feast import working_tree
from trilock.server.planes.feast.process import WorkerProcess
import sys
working_tree.WorkerProcess = partial(WorkerProcess, jobs="importing_jobs")
sys.argv = ["trilock", "check", "--repo={tmp_path}", "--baseline={tmp_path}/b.json"]
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        worker = int(ready.read_text())
        command.send_signal(2)
        _, words = command.communicate(timeout=30)

    assert (command.returncode, words) == (130, "error: interrupted\n")
    assert gone(worker)
