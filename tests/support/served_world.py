"""A world with the real gRPC server in front of it, on loopback."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import asyncio
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from tests.support.world import World, world
from trilock.server.domain.access import Role
from trilock.server.rpc.errors import DETAILS
from trilock.server.rpc.principals import Authenticator
from trilock.server.rpc.server import RpcServer
from trilock.server.serving.feed import DatabaseFeed
from trilock.server.serving.hub import Hub
from trilock.server.settings import Settings, load_settings
from trilock.v1 import (
    admin_service_pb2_grpc,
    bundle_service_pb2_grpc,
    check_service_pb2_grpc,
    drift_service_pb2_grpc,
    feature_service_pb2_grpc,
    fleet_service_pb2_grpc,
    operation_service_pb2_grpc,
    pipeline_service_pb2_grpc,
    policy_service_pb2_grpc,
    release_service_pb2_grpc,
    serving_service_pb2_grpc,
    sink_service_pb2_grpc,
)

DEADLINE: Final = 20.0

SERVICES: Final[dict[str, ModuleType]] = {
    "Admin": admin_service_pb2_grpc,
    "Bundle": bundle_service_pb2_grpc,
    "Check": check_service_pb2_grpc,
    "Drift": drift_service_pb2_grpc,
    "Feature": feature_service_pb2_grpc,
    "Fleet": fleet_service_pb2_grpc,
    "Operation": operation_service_pb2_grpc,
    "Policy": policy_service_pb2_grpc,
    "Pipeline": pipeline_service_pb2_grpc,
    "Release": release_service_pb2_grpc,
    "Serving": serving_service_pb2_grpc,
    "Sink": sink_service_pb2_grpc,
}


def secret_of(principal: str) -> str:
    return f"secret-of-{principal}"


BRISK: Final = "[serving]\npoll_seconds = 0.05\nprogress_seconds = 0.1\n"
"""Settings with which a test waits for nothing; each watcher is told 10 times a second."""


def settings_text(listen: str = "127.0.0.1:0", more: str = "", *, serving: str = BRISK) -> str:
    """Return settings with one token a role; its principal has the role's name."""
    tokens = "".join(
        f"""
[tokens.{role.value}]
sha256 = "{hashlib.sha256(secret_of(role.value).encode()).hexdigest()}"
roles = ["{role.value}"]
"""
        for role in Role
    )
    return f'[server]\nlisten = "{listen}"\n{more}\n{serving}{tokens}'


class Served:
    """A running server, and calls to it."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world = world
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.hub: Hub
        self.rpc: RpcServer
        self.address = ""

    def start(self) -> None:
        self.address = self.run(self._start())

    async def _start(self) -> str:
        self.hub = Hub(
            DatabaseFeed(self.world.database),
            poll=self._settings.serving.poll_seconds,
            progress=self._settings.serving.progress_seconds,
        )
        self.world.database.after_revision(self.hub.nudge)
        await self.hub.start()
        self.rpc = RpcServer(
            self._settings,
            runtime=self.world.runtime,
            hub=self.hub,
            authenticator=Authenticator(self._settings, self.world.database),
        )
        return await self.rpc.start()

    def stop(self, grace: float = DEADLINE) -> None:
        self.run(self._stop(grace))

    async def _stop(self, grace: float) -> None:
        if hasattr(self, "rpc"):
            await self.rpc.stop(grace)
        await self.hub.close()

    def close(self) -> None:
        """Stop the server and its loop."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run *work* on the server's event loop; return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address)

    def call(
        self,
        method: str,
        request: Message,
        *,
        principal: str | None = "admin",
        timeout: float = DEADLINE,
    ) -> Any:
        """Call `Service.Method` with the token of *principal*; return the response or stream."""
        service, name = method.split(".")
        stub = getattr(SERVICES[service], f"{service}ServiceStub")
        metadata = () if principal is None else (bearer(secret_of(principal)),)
        call: Callable[..., Any] = getattr(stub(self._shared_channel()), name)
        return call(request, timeout=timeout, metadata=metadata)

    def _shared_channel(self) -> grpc.Channel:
        if not hasattr(self, "_channel"):
            self._channel = self.channel()
        return self._channel


def bearer(secret: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {secret}")


def refused(call: Callable[[], object]) -> Any:
    """Return the error that *call* ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it was not refused")


def status_of(error: Any) -> Any:
    """Return the google.rpc.Status that came with the failed call *error*."""
    trailers = dict(error.trailing_metadata())
    return Status.FromString(trailers[DETAILS])


def detail(error: Any, into: Any) -> Any:
    """Return the detail of the type of *into* that came with the failed call *error*."""
    for packed in status_of(error).details:
        if packed.Is(into.DESCRIPTOR):
            packed.Unpack(into)
            return into
    raise AssertionError(f"no {into.DESCRIPTOR.full_name} in {status_of(error)}")


@contextmanager
def served_world(
    folder: Path,
    *,
    text: str = "",
    start: bool = True,
    kind: Callable[[Path], World] = World,
) -> Iterator[Served]:
    """Yield a world that is served with the settings in *text*."""
    file = folder / "trilock.toml"
    file.write_text(text or settings_text())
    with world(folder, kind=kind) as made:
        served = Served(made, load_settings(file))
        try:
            if start:
                served.start()
            yield served
        finally:
            served.close()
            if hasattr(served, "_channel"):
                served._channel.close()
