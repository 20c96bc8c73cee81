"""The examples as serving processes: started, asked, and ended with the block."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
DEADLINE: Final = 120.0
_LOOK: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a serving process said."""

    prediction: float | None
    """None if it refused."""
    said: Mapping[str, str]
    """Headers, or trailing metadata."""
    problem: str = ""


class Service(Protocol):
    """A serving process. It starts at once, and takes seconds to serve."""

    def wait_ready(self) -> None:
        """Wait until it serves what is live."""
        ...

    def predict(self) -> Answer:
        """Ask for JFK."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process, and where it says what."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, reached: Any) -> Any:
        """Return what *reached* returns once it returns something."""
        for _ in range(round(DEADLINE / _LOOK)):
            assert self.process.poll() is None, self.log.read_text()
            if found := reached():
                return found
            threading.Event().wait(_LOOK)
        raise AssertionError(self.log.read_text())


@contextmanager
def started(
    command: list[str], *, environment: dict[str, str], folder: Path, log: Path
) -> Iterator[Running]:
    """Run *command* of this Python in *folder* while the block runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Running(process=process, log=log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class HttpService:
    """`examples/serving_fastapi`, as its README starts it."""

    def __init__(self, running: Running, *, port: int) -> None:
        self._running = running
        self._port = port

    @classmethod
    @contextmanager
    def started(cls, environment: dict[str, str], *, log: Path) -> Iterator[HttpService]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = ["-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
        folder = EXAMPLES / "serving_fastapi"
        with started(command, environment=environment, folder=folder, log=log) as running:
            yield cls(running, port=port)

    def wait_ready(self) -> None:
        """See Service."""
        self._running.wait_until(self._is_ready)

    def ask(self, path: str, body: object = None) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            method = "GET" if body is None else "POST"
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"content-type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        return response.status, json.loads(text) if text.startswith(b"{") else text, headers

    def predict(self) -> Answer:
        """See Service."""
        status, body, headers = self.ask("/predict", {"rows": [{"origin": "JFK", "distance": 2.0}]})
        if status != http.HTTPStatus.OK:
            return Answer(prediction=None, said=headers, problem=f"{status} {body!r}")
        return Answer(prediction=body["predictions"][0], said=headers)

    def _is_ready(self) -> bool:
        try:
            status, body, _ = self.ask("/health")
        except OSError:
            return False
        return status == http.HTTPStatus.OK and body["state"] == "READY"


class GrpcService:
    """`examples/serving_grpc`, as its README starts it."""

    def __init__(self, running: Running, stack: ExitStack) -> None:
        self._running = running
        self._stack = stack
        self._predict: Any = None

    @classmethod
    @contextmanager
    def started(cls, environment: dict[str, str], *, log: Path) -> Iterator[GrpcService]:
        folder = EXAMPLES / "serving_grpc"
        command = ["server.py", "127.0.0.1:0"]
        with (
            started(command, environment=environment, folder=folder, log=log) as running,
            ExitStack() as stack,
        ):
            yield cls(running, stack)

    def wait_ready(self) -> None:
        """See Service."""
        said = self._running.wait_until(
            lambda: re.search(r"on port (\d+)", self._running.log.read_text())
        )
        channel = self._stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{said[1]}"))
        self._predict = channel.unary_unary(
            "/flights.Delays/Predict", Struct.SerializeToString, Struct.FromString
        )
        self._running.wait_until(lambda: self.predict().prediction is not None)

    def predict(self) -> Answer:
        """See Service."""
        request = Struct()
        request.update({"rows": [{"origin": "JFK", "distance": 2.0}]})
        try:
            answer, call = self._predict.with_call(request, timeout=DEADLINE)
        except grpc.RpcError as error:
            failed: Any = error
            said = dict(failed.trailing_metadata() or ())
            return Answer(prediction=None, said=said, problem=str(failed.details()))
        said = dict(call.trailing_metadata())
        return Answer(prediction=MessageToDict(answer)["predictions"][0], said=said)
