"""A worker tells what it has to, in bounded time, and leaves nothing behind.

The jobs here need no Feast, so that these tests are quick.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.process import Message, WorkerProcess

JOBS = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path

def talk(request, tell):
    print("not for you")
    os.write(1, b'{"error": "not for you"}')
    tell({"stdin": sys.stdin.read(), "cwd": os.getcwd(), "value": request["value"]})

def environment(request, tell):
    tell({"hash": hash("x"), "names": sorted(os.environ)})

def fail(request, tell):
    tell({"progress": "half way"})
    raise ValueError("first line" + chr(10) + "second line")

def leave(request, tell):
    sys.exit(3)

def vanish(request, tell):
    print("last words", flush=True)
    os._exit(7)

def crash(request, tell):
    os.kill(os.getpid(), signal.SIGSEGV)

def linger(request, tell):
    threading.Thread(target=time.sleep, args=(600,)).start()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell({"child": child.pid})

def hang(request, tell):
    linger(request, tell)
    time.sleep(600)

def stop(request, tell):
    os.kill(os.getpid(), signal.SIGSTOP)

def hang_in_the_repository(request, tell):
    lines = ["def wait():", "    import time", "    time.sleep(600)", "wait()"]
    exec(compile(chr(10).join(lines), "features.py", "exec"))

JOBS = {name: value for name, value in globals().items() if callable(value)}
"""


@pytest.fixture
def quick_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quick_jobs.py").write_text(JOBS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def run(tmp_path: Path, quick_jobs: None) -> Callable[..., list[dict[str, Any]]]:
    def call(job: str, *, timeout: float = 30.0, **request: object) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []

        def tell(message: Message) -> None:
            told.append(dict(message))

        worker = WorkerProcess(timeout=timeout, jobs="quick_jobs")
        try:
            worker.run({"job": job, "base": str(tmp_path), **request}, tell=tell)
        except PreconditionError as error:
            error.add_note(str(told))
            raise
        return told

    return call


def gone(pid: int) -> bool:
    """Return whether the process ends soon, if it has not already."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor) as process:
        return bool(select.select([process], [], [], 10.0)[0])


def test_printing_and_reading_disturb_nothing(
    run: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    assert run("talk", value={"a": [1]}) == [
        {"stdin": "", "cwd": str(tmp_path), "value": {"a": [1]}}
    ]


def test_secrets_stay_here_and_hashes_do_not_change(
    run: Callable[..., list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_TOKEN_FILE", "secret")
    monkeypatch.setenv("FEAST_PASSWORD", "needed by feature_store.yaml")

    first, second = run("environment")[0], run("environment")[0]

    assert first["hash"] == second["hash"]
    assert "FEAST_PASSWORD" in first["names"]
    assert not [name for name in first["names"] if name.startswith("TRILOCK_")]


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("fail", "ValueError: first line second line"),
        ("leave", "SystemExit: 3"),
        ("vanish", "Feast's worker ended with exit code 7: last words"),
        ("crash", "Feast's worker ended with signal SIGSEGV: it said nothing"),
        ("unknown", "KeyError: 'unknown'"),
    ],
)
def test_a_failure_is_one_line(
    run: Callable[..., list[dict[str, Any]]], job: str, message: str
) -> None:
    with pytest.raises(PreconditionError) as caught:
        run(job)

    assert str(caught.value) == message


def test_what_was_told_before_a_failure_was_told(
    run: Callable[..., list[dict[str, Any]]],
) -> None:
    with pytest.raises(PreconditionError) as caught:
        run("fail")

    assert caught.value.__notes__ == ["[{'progress': 'half way'}]"]


def test_what_a_job_leaves_behind_is_ended(run: Callable[..., list[dict[str, Any]]]) -> None:
    (told,) = run("linger")

    assert gone(told["child"])


def test_a_job_that_hangs_is_ended_with_its_children(
    run: Callable[..., list[dict[str, Any]]],
) -> None:
    with pytest.raises(PreconditionError, match=r"was stopped after 1\.5 s \(hang\)") as caught:
        run("hang", timeout=1.5)

    (child,) = [int(word) for word in caught.value.__notes__[0].strip("[{}]").split()[1:]]
    assert gone(child)


def test_a_job_that_hangs_says_where(run: Callable[..., list[dict[str, Any]]]) -> None:
    with pytest.raises(PreconditionError) as caught:
        run("hang_in_the_repository", timeout=1.5)

    assert str(caught.value) == (
        "features.py:3: Feast's worker was stopped after 1.5 s (hang in the repository)"
    )


def test_a_job_that_hangs_deaf_is_ended_all_the_same(
    run: Callable[..., list[dict[str, Any]]],
) -> None:
    with pytest.raises(PreconditionError, match=r"was stopped after 0\.5 s \(stop\)"):
        run("stop", timeout=0.5)


def test_a_caller_that_has_had_enough_ends_the_job(tmp_path: Path, quick_jobs: None) -> None:
    children: list[int] = []

    def stop(message: Message) -> None:
        children.append(int(message["child"]))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        WorkerProcess(timeout=600, jobs="quick_jobs").run(
            {"job": "hang", "base": str(tmp_path)}, tell=stop
        )

    assert gone(children[0])


def test_a_worker_ends_with_its_parent(tmp_path: Path, quick_jobs: None) -> None:
    program = f"""
from trilock.server.planes.feast.process import WorkerProcess

WorkerProcess(timeout=600, jobs="quick_jobs").run(
    {{"job": "hang", "base": {str(tmp_path)!r}}},
    tell=lambda message: print(message["child"], flush=True),
)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)

    assert gone(child)
