"""`trilock serve` as a process: from init to SIGTERM."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest

from trilock.server.commands import doctor, init
from trilock.v1.admin_service_pb2 import GetServerInfoRequest
from trilock.v1.admin_service_pb2_grpc import AdminServiceStub

pytestmark = pytest.mark.slow

SERVE = """
import sys
from trilock.server.commands import serve
from trilock.server.domain.errors import TrilockError
try:
    sys.exit(serve(None))
except TrilockError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@contextmanager
def serving(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=folder,
        env={**os.environ, "TRILOCK_SERVER__LISTEN": "127.0.0.1:0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().removeprefix("serving on ").strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_what_init_wrote_until_it_is_told_to_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    init(tmp_path, force=False)
    token = (tmp_path / ".trilock/token").read_text().strip()
    with serving(tmp_path) as process:
        with grpc.insecure_channel(address_of(process)) as channel:
            info = AdminServiceStub(channel).GetServerInfo(
                GetServerInfoRequest(),
                timeout=20,
                metadata=(("authorization", f"Bearer {token}"),),
            )
        process.send_signal(number)
        _, log = process.communicate(timeout=20)

    assert (info.principal, list(info.roles), info.database) == ("local", ["admin"], "sqlite")
    assert process.returncode == 0
    assert "Traceback" not in log
    assert token not in log
    looks = {look.name: look for look in doctor(tmp_path / "trilock.toml")}
    assert looks["database"].message.endswith("reachable, its schema is this trilock's")


def content(folder: Path) -> list[str]:
    """Return every row of the server's database."""
    with closing(sqlite3.connect(folder / ".trilock/trilock.db")) as connection:
        return list(connection.iterdump())


def test_a_second_server_of_the_same_file_is_refused_in_one_line(tmp_path: Path) -> None:
    init(tmp_path, force=False)
    with serving(tmp_path) as first:
        address_of(first)
        before = content(tmp_path)
        with serving(tmp_path) as second:
            out, log = second.communicate(timeout=20)
        assert content(tmp_path) == before

    assert (second.returncode, out) == (1, "")
    assert log.strip().splitlines()[-1].startswith("DatabaseInUseError: ")
    assert f"is used by the server with pid {first.pid}" in log
    assert "Traceback" not in log
