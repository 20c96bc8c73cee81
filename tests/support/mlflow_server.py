"""A real `mlflow server` on loopback, one for a whole test run.

`mlflow_server` shares it; who wants to kill one makes a `MlflowServer` of his
own. The whole process group ends with it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

_START: Final = 90.0
_STOP: Final = 20.0
_QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Eight more processes and 650 MB otherwise.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class MlflowServer:
    """Serves the SQLite registry and the artifacts in one folder."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "mlflow.sqlite"
        self.artifacts = folder / "artifacts"
        self.port = _free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.database}"]
        command += ["--artifacts-destination", self.artifacts.as_uri()]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **_QUIET},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                start_new_session=True,
            )
        self._wait_until_ready(self._process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP)
            self._process = None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START
        while not self._healthy():
            code = process.poll()
            if code is not None or time.monotonic() > deadline:
                self.kill()
                log = self._log.read_text(errors="replace")
                raise AssertionError(f"mlflow server did not come up (exit {code}):\n{log}")
            time.sleep(0.05)  # polling another process; there is nothing to wait on

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1.0) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that everybody shares; use model names of your own."""
    with MlflowServer(tmp_path_factory.mktemp("mlflow-server")) as server:
        yield server
