"""The program as people run it: a process, a terminal, signals, bytes that are not text."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.fake_server import FakeServer, RefusedError
from tests.support.live import live_message, watch_response
from tests.support.releases import OPERATION, alias, operation, release, rollback_plan
from trilock.v1.operation_pb2 import OperationState
from trilock.v1.operation_service_pb2 import ListOperationsResponse
from trilock.v1.release_service_pb2 import (
    AbortResponse,
    FinalizeResponse,
    GetAliasResponse,
    GetReleaseResponse,
    ListReleasesResponse,
    PromoteResponse,
    RollBackResponse,
)

DEADLINE = 60
TRILOCK = [sys.executable, "-c", "from trilock.cli import main; main()"]
FULL = "error: the output cannot be written: No space left on device\n"
HEAVY = {"mlflow", "feast", "dvc", "sqlmodel", "sqlalchemy", "pandas", "pydantic", "alembic"}


def run(
    *arguments: str | bytes, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRILOCK, *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_help_and_imports_are_light() -> None:
    code = (
        "import sys, trilock.cli, trilock.cli.app\n"
        "sys.argv = ['trilock', '--help']\n"
        "try:\n    trilock.cli.main()\n"
        "finally:\n    print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True
    )

    assert HEAVY & set(done.stderr.split()) == set()
    assert "Exit codes: 0 done or compatible" in done.stdout


def test_the_client_imports_neither_the_command_line_nor_its_libraries() -> None:
    code = "import sys, trilock.client; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=True
    )

    assert (HEAVY | {"typer", "rich", "psycopg", "yaml"}) & set(done.stdout.split()) == set()


def test_a_light_install_names_the_extra() -> None:
    code = "import sys\nsys.modules['typer'] = None\nfrom trilock.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=False
    )

    assert done.returncode == 1
    assert done.stderr == "error: the command line needs an extra: pip install 'trilock[cli]'\n"


def test_the_version() -> None:
    assert run("--version").stdout == "trilock 0.1.0\n"


def test_completion_knows_the_commands() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("trilock")],
        env={
            **os.environ,
            "_TRILOCK_COMPLETE": "complete_bash",
            "COMP_WORDS": "trilock roll",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (done.returncode, done.stdout.split()) == (0, ["rollback"])


@pytest.mark.parametrize("arguments", [["nonsense"], ["promote"], ["status", "--limit=x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")
    assert "Traceback" not in done.stderr


def test_an_argument_that_is_not_text() -> None:
    with FakeServer() as server:
        done = run(b"bundles", b"delay/\xff", env={"TRILOCK_SERVER": server.address})

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: text that is not valid UTF-8: 'models/delay/bundles/\\udcff'\n"


def test_a_reader_that_goes_away_is_no_defect() -> None:
    with FakeServer() as server:

        def changes(request: object, context: grpc.ServicerContext) -> Iterator[object]:
            yield watch_response(live_message(revision=1), snapshot=True)
            revision = 1
            while context.is_active():
                revision += 1
                yield watch_response(live_message(bundle=revision, revision=revision))

        server.answer("ServingService.Watch", changes)
        with subprocess.Popen(
            [*TRILOCK, "watch", "-o", "json"],
            env={**os.environ, "TRILOCK_SERVER": server.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(DEADLINE) == 141
            assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [["history", "-o", "json"], ["history"], ["--help"]])
def test_as_any_tool_it_ends_quietly_before_a_head_that_has_read_enough(
    arguments: list[str],
) -> None:
    with FakeServer() as server:
        found = [release(number, bundle=number) for number in range(1, 3)]
        server.answer("ReleaseService.ListReleases", ListReleasesResponse(releases=found))
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*TRILOCK, *arguments],
            env={**os.environ, "TRILOCK_SERVER": server.address},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        os.close(writer)

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("argument", "redirected", "code", "words"),
    [
        ("--version", ">&-", 0, ""),
        ("--version", ">/dev/full", 1, FULL),
        ("rules", ">/dev/full", 1, FULL),
    ],
)
def test_output_that_goes_nowhere_is_no_defect(
    *, argument: str, redirected: str, code: int, words: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirected}', "sh", *TRILOCK, argument],
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (done.returncode, done.stderr) == (code, words)


def test_ctrl_c_before_the_server_answered_says_where_to_look() -> None:
    with FakeServer() as server:
        asked = threading.Event()

        def hang(request: object, context: grpc.ServicerContext) -> object:
            asked.set()
            server.closing.wait()
            raise RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="closing")

        server.answer("ReleaseService.Promote", hang)
        with subprocess.Popen(
            [*TRILOCK, "promote", "delay/2"],
            env={**os.environ, "TRILOCK_SERVER": server.address},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert asked.wait(DEADLINE)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            rest = process.stderr.read()
            code = process.wait(DEADLINE)

    assert code == 130
    assert rest == (
        "error: interrupted before the server answered; if it began, it goes on: "
        "trilock operations list delay@production --active\n"
    )


@pytest.mark.parametrize(
    ("arguments", "kind", "may_turn_back"),
    [
        (["promote", "delay/2"], "PROMOTE", True),
        (["finalize", "delay"], "FINALIZE", True),
        (["rollback", "delay", "--yes"], "ROLL_BACK", False),
        (["abort", "delay", "--yes"], "PROMOTE", False),
    ],
)
def test_ctrl_c_while_waiting_says_that_it_goes_on_and_how_to_look_at_it(
    bad_release: FakeServer, *, arguments: list[str], kind: str, may_turn_back: bool
) -> None:
    server = bad_release

    def hang(request: object, context: grpc.ServicerContext) -> object:
        server.closing.wait()
        raise RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="closing")

    running = operation(kind=kind, steps=(("first_step", "DONE"), ("second_step", "STARTED")))
    undone = operation(OperationState.OPERATION_STATE_COMPENSATING, steps=(("first_step", "DONE"),))
    server.answer("ReleaseService.Promote", PromoteResponse(operation=running))
    server.answer("ReleaseService.Finalize", FinalizeResponse(operation=running))
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=running))
    server.answer("ReleaseService.Abort", AbortResponse(), AbortResponse(operation=undone))
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[running]))
    server.answer("OperationService.WaitOperation", hang)
    with subprocess.Popen(
        [*TRILOCK, *arguments],
        env={**os.environ, "TRILOCK_SERVER": server.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).endswith("done      first_step it\n"):
            assert line, "it ended before it waited"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait(DEADLINE)

    cancel = "  turn it back:   trilock operations cancel 0123456789abcdef0123456789abcdef\n"
    assert code == 130
    assert rest == (
        f"error: interrupted; {OPERATION} goes on\n"
        "  look at it:     trilock operations show 0123456789abcdef0123456789abcdef\n"
        "  wait for it:    trilock operations wait 0123456789abcdef0123456789abcdef\n"
        f"{cancel if may_turn_back else ''}"
    )


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, address: str) -> None:
        master, slave = pty.openpty()
        env = {**os.environ, "TRILOCK_SERVER": address, "TERM": "xterm", "COLUMNS": "200"}
        self._process = subprocess.Popen(
            [*TRILOCK, *arguments], env=env, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self._master = master
        self.seen = ""

    def expect(self, text: str) -> None:
        """Read until *text* is on the terminal."""
        while text not in self.seen:
            ready, _, _ = select.select([self._master], [], [], DEADLINE)
            assert ready, f"{text!r} was expected after {self.seen!r}"
            self.seen += os.read(self._master, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read the rest and return the exit code."""
        with contextlib.suppress(OSError):  # what a closed terminal reads as
            while data := os.read(self._master, 4096):
                self.seen += data.decode()
        os.close(self._master)
        return self._process.wait(DEADLINE)


@pytest.fixture
def bad_release() -> Iterator[FakeServer]:
    with FakeServer() as server:
        live = release(2, bundle=2)
        server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(live)))
        server.answer("ReleaseService.GetRelease", GetReleaseResponse(release=live))
        server.answer("ReleaseService.PlanRollback", rollback_plan())
        done = operation(
            OperationState.OPERATION_STATE_SUCCEEDED,
            kind="ROLL_BACK",
            bundle=1,
            pivot_revision=42,
        )
        server.answer("ReleaseService.RollBack", RollBackResponse(operation=done))
        yield server


@pytest.mark.parametrize(("answer", "code", "calls"), [("y", 0, 1), ("", 2, 0), ("n", 2, 0)])
def test_on_a_terminal_rollback_asks_once(
    *, answer: str, code: int, calls: int, bad_release: FakeServer
) -> None:
    terminal = Terminal("rollback", "delay", address=bad_release.address)
    terminal.expect("roll back? [y/N] ")
    terminal.type(f"{answer}\n")

    assert terminal.end() == code
    assert len(bad_release.requests("ReleaseService.RollBack")) == calls
    assert ("is back on bundle 1" in terminal.seen) is (code == 0)


def test_ctrl_c_at_the_question_does_nothing(bad_release: FakeServer) -> None:
    terminal = Terminal("rollback", "delay", address=bad_release.address)
    terminal.expect("roll back? [y/N] ")
    terminal._process.send_signal(signal.SIGINT)

    assert terminal.end() == 130
    assert bad_release.requests("ReleaseService.RollBack") == []


def test_status_goes_on_through_changes_and_outages_until_ctrl_c() -> None:
    with FakeServer() as server:
        before, after = (
            GetAliasResponse(alias=alias(release(number, bundle=number))) for number in (2, 3)
        )
        away = RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="away", reason="UNAVAILABLE")
        # The client asks twice more by itself.
        server.answer("ReleaseService.GetAlias", before, *[away] * 12, after)
        terminal = Terminal("status", "delay", "-w", "--interval=0.1", address=server.address)
        terminal.expect("bundle 2  release 2")
        terminal.expect("no answer, asking again: ")
        terminal.expect("bundle 3  release 3")
        terminal._process.send_signal(signal.SIGINT)

        assert terminal.end() == 130
        assert "error" not in terminal.seen
        assert "✔ model_alias agrees: 2" in terminal.seen


def test_where_glyphs_cannot_be_shown_the_tree_is_plain(bad_release: FakeServer) -> None:
    done = run(
        "status",
        "delay",
        env={"TRILOCK_SERVER": bad_release.address, "PYTHONIOENCODING": "ascii"},
    )

    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "+ model_alias agrees: 2" in done.stdout


def test_the_token_beside_the_settings_is_found(tmp_path: Path) -> None:
    (tmp_path / ".trilock").mkdir()
    (tmp_path / ".trilock" / "token").write_text("s3cret\n")
    with FakeServer() as server:
        subprocess.run(
            [*TRILOCK, "--server", server.address, "status"],
            cwd=tmp_path,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )

    assert server.calls[0].metadata["authorization"] == "Bearer s3cret"
