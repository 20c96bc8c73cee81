"""How the story begins and ends. What it tells is run by `make demo`, whole."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest
from examples.flights import processes, story, version_1
from examples.flights.commands import CommandError
from examples.flights.deployment import Deployment, Ran, UnexpectedError, clean_environment
from examples.flights.narrator import Narrator
from examples.flights.report import PROOFS
from examples.flights.stage import Stage
from examples.flights.world import World

SECONDS = 60.0


def prove(stage: Stage, *, but: str = "") -> None:
    for name in PROOFS:
        stage.prove(name, name != but, "seen")


def told(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "report.json").read_text())
    return found


class TestEnd:
    def test_every_proof_holds(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(story, "_tell", prove)

        assert story.main(tmp_path) == 0

        lines = capsys.readouterr().out.splitlines()
        assert lines[-1] == f"every proof holds: {tmp_path}/report.json has them"
        assert "    error_rose             yes    seen" in lines
        assert told(tmp_path)["ok"] is True

    def test_a_proof_does_not_hold(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(story, "_tell", lambda stage: prove(stage, but="values_equal"))

        assert story.main(tmp_path) == 1

        lines = capsys.readouterr().out.splitlines()
        assert lines[-2:] == ["FAILED: not proven: values_equal", f"logs: {tmp_path}/demo.log"]
        assert "    values_equal           NO     seen" in lines
        assert told(tmp_path)["ok"] is False

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (UnexpectedError("`trilock record` ended with exit code 1"), "`trilock record` ended"),
            (
                CommandError(command=("dvc", "repro"), code=1, output="line\nno space left"),
                "'dvc repro' ended with 1: line ... no space left",
            ),
            (RuntimeError(), "RuntimeError"),
        ],
    )
    def test_something_breaks(
        self,
        *,
        error: Exception,
        said: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def break_down(stage: Stage) -> None:
            raise error

        monkeypatch.setattr(story, "_tell", break_down)

        assert story.main(tmp_path) == 1

        out, err = capsys.readouterr()
        failed, logs = out.splitlines()[-2:]
        assert failed.startswith(f"FAILED: {said}")
        assert logs == f"logs: {tmp_path}/demo.log"
        assert "Traceback" not in out + err
        assert "Traceback" in (tmp_path / "demo.log").read_text()
        assert told(tmp_path)["proofs"] == dict.fromkeys(PROOFS, False)

    def test_a_folder_of_somebodys_is_refused_in_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "thesis.tex").touch()

        assert story.main(tmp_path) == 2

        assert capsys.readouterr() == (
            "",
            f"error: {tmp_path} is not empty and no demo made it: say another folder with --dir\n",
        )

    def test_sigterm_unwinds_as_ctrl_c_does(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended: list[str] = []

        def tell(stage: Stage) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                threading.Event().wait(SECONDS)
            finally:
                ended.append("all")

        monkeypatch.setattr(story, "_tell", tell)
        before = signal.getsignal(signal.SIGTERM)

        with pytest.raises(SystemExit) as caught:
            story.main(tmp_path)

        assert (caught.value.code, ended) == (143, ["all"])
        assert signal.getsignal(signal.SIGTERM) is before


class TestEnvironment:
    def test_what_the_user_set_for_others_is_not_for_the_demo(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRILOCK_SERVER", "192.0.2.1:1")
        monkeypatch.setenv("MLFLOW_RUN_ID", "1")
        monkeypatch.setenv("KEPT", "1")
        seen: dict[str, str] = {}

        def look(stage: Stage) -> None:
            seen.update(os.environ)
            os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///demo.db"  # as MLflow does

        monkeypatch.setattr(story, "_tell", look)
        story.main(tmp_path)

        assert "TRILOCK_SERVER" not in seen
        assert "MLFLOW_RUN_ID" not in seen
        assert seen["KEPT"] == "1"
        assert (os.environ["TRILOCK_SERVER"], os.environ["MLFLOW_RUN_ID"]) == ("192.0.2.1:1", "1")
        assert "MLFLOW_TRACKING_URI" not in os.environ

    def test_programs_speak_one_encoding_in_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", "/nowhere")
        monkeypatch.setenv("TRILOCK_SERVER__LISTEN", "0.0.0.0:80")

        clean = clean_environment()

        assert clean["PYTHONIOENCODING"] == "utf-8"
        assert clean["PYTHONUNBUFFERED"] == "1"
        assert not {"PYTHONPATH", "TRILOCK_SERVER__LISTEN"} & clean.keys()


def test_errors_are_told_from_other_findings() -> None:
    lines = (
        "model version 1 on delay@production: incompatible",
        "2 errors:",
        "  FIT001  precip: the model expects 'precip' (double)",
        "      mend: add the feature",
        "  FIT004  seats: the model expects 'seats' as double",
        "1 warning:",
        "  FIT016  predicted: the model writes 'predicted'",
    )

    found = version_1._errors(Ran(code=100, lines=lines, began=0.0, seconds=0.0))

    assert found == {("FIT001", "precip"), ("FIT004", "seats")}


SLEEP = "import time; time.sleep(60)"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
child.wait()
"""


class TestProcesses:
    def test_what_a_program_started_ends_with_it(self, tmp_path: Path) -> None:
        command = (sys.executable, "-c", PARENT)
        with processes.started(command, folder=tmp_path, environment={}) as parent:
            assert parent.stdout is not None
            child = psutil.Process(int(parent.stdout.readline()))
            assert child.is_running()

        psutil.wait_procs([child], timeout=SECONDS)
        assert not child.is_running()

    def test_all_end_when_nobody_waits_any_more(self, tmp_path: Path) -> None:
        command = (sys.executable, "-c", SLEEP)
        with processes.started(command, folder=tmp_path, environment={}) as program:
            processes.end_all()

            assert program.wait(SECONDS) == -signal.SIGKILL

    def test_a_program_may_end_by_itself(self, tmp_path: Path) -> None:
        end = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1)"
        command = (sys.executable, "-c", f"{end}; sys.stdout.flush(); {SLEEP}")
        with processes.started(
            command, folder=tmp_path, environment={}, patience=SECONDS
        ) as program:
            assert program.stdout is not None
            program.stdout.readline()

        assert program.returncode == 7


class TestDeployment:
    pytestmark = pytest.mark.slow

    @pytest.fixture
    def out(self) -> io.StringIO:
        return io.StringIO()

    @pytest.fixture
    def trilock(self, tmp_path: Path, out: io.StringIO) -> Deployment:
        world = World(root=tmp_path)
        world.repository.mkdir()
        return Deployment(world, narrator=Narrator(out), environment=clean_environment())

    def test_a_command_is_shown_as_typed_with_what_it_prints(
        self, trilock: Deployment, out: io.StringIO
    ) -> None:
        ran = trilock.run("--version")

        assert (ran.code, ran.lines) == (0, ("trilock 0.1.0",))
        assert out.getvalue().splitlines()[:3] == [
            "",
            "    $ trilock --version",
            "    trilock 0.1.0",
        ]
        assert trilock.commands_log.read_text() == (
            "$ trilock --version\ntrilock 0.1.0\nexit code 0\n\n"
        )

    def test_lines_may_be_left_out(self, trilock: Deployment, out: io.StringIO) -> None:
        ran = trilock.run("--help", hide_from="Options")

        assert ran.find("--version")
        assert "--version" not in out.getvalue()
        assert "more lines: commands.log has them" in out.getvalue()
        assert "--version" in trilock.commands_log.read_text()

    def test_another_exit_code_than_expected_ends_the_story(self, trilock: Deployment) -> None:
        said = r"`trilock nothing` ended with exit code 2, not 0: see .*commands\.log"
        with pytest.raises(UnexpectedError, match=said):
            trilock.run("nothing")

    def test_a_server_is_there_while_the_block_runs(self, trilock: Deployment) -> None:
        trilock.configure()

        with trilock.serving():
            trilock.run("bundles")

        host, _, port = trilock.address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))

    def test_a_server_that_cannot_begin_is_told(self, trilock: Deployment) -> None:
        trilock.configure()
        trilock.config.write_text("[server]\nlisten = 7\n")

        said = r"`trilock serve` did not begin: error: .*listen"
        with pytest.raises(UnexpectedError, match=said), trilock.serving():
            pass


@pytest.mark.slow
def test_ctrl_c_ends_all_that_the_demo_has_started(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("trilock")
    with subprocess.Popen(
        [script, "demo", "--dir", tmp_path / "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        alarm = threading.Timer(SECONDS, demo.kill)
        alarm.start()
        assert demo.stdout is not None
        while " 1. " not in demo.stdout.readline():
            pass
        children = wait_for_children(demo.pid)
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate()
        alarm.cancel()

    assert (demo.returncode, err) == (130, "error: interrupted\n")
    _, left = psutil.wait_procs(children, timeout=SECONDS)
    assert left == []


def wait_for_children(pid: int) -> list[psutil.Process]:
    """Wait until DVC has started a stage; return all that runs then."""
    waiting = threading.Event()
    demo = psutil.Process(pid)
    children: list[psutil.Process] = []
    while len(children) < 2:
        waiting.wait(0.05)
        children = demo.children(recursive=True)
    return children
