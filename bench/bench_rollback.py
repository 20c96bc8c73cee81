"""A rollback side by side, from the call until the last client has switched: under 3x its floor.

    .venv/bin/python bench/bench_rollback.py

The floor is what no rollback can do without: one durable commit of one row, and one call
that has a bare grpc.aio server send the same message to as many clients. The server is the
real one in a process of its own, on a durable SQLite file, with planes in memory; so is the
bare one. All clients are in this process. Both are asked twice over: at once after what was
before, a promotion whose planes have just followed, and at rest.
"""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

# Every connection that ends would be told of on stderr.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.served_world import Served, bearer, secret_of, settings_text
from tests.support.values import ALIAS
from tests.support.world import WINDOW, World
from trilock.server.rpc.convert.fields import timestamp
from trilock.server.settings import load_settings
from trilock.v1.bundle_service_pb2 import LiftHoldRequest
from trilock.v1.bundle_service_pb2_grpc import BundleServiceStub
from trilock.v1.operation_pb2 import Operation
from trilock.v1.operation_service_pb2 import WaitOperationRequest
from trilock.v1.operation_service_pb2_grpc import OperationServiceStub
from trilock.v1.release_service_pb2 import FeatureWindow, PromoteRequest, RollBackRequest
from trilock.v1.release_service_pb2_grpc import ReleaseServiceStub
from trilock.v1.serving_pb2 import LiveBundle
from trilock.v1.serving_service_pb2 import (
    ResolveRequest,
    ResolveResponse,
    WatchRequest,
    WatchResponse,
)
from trilock.v1.serving_service_pb2_grpc import (
    ServingServiceServicer,
    ServingServiceStub,
    add_ServingServiceServicer_to_server,
)

BOUND: Final = 3.0
CLIENTS: Final = 200
ROUNDS: Final = 15
DEADLINE: Final = 60.0
RESTS: Final = {"": 0.0, "_at_rest": 0.2}
"""Seconds in which nothing happens before each call, by what the figures are called."""
METADATA: Final = (bearer(secret_of("admin")),)
BAD: Final = "models/delay/bundles/2"
DAY: Final = FeatureWindow(start_time=timestamp(WINDOW.start), end_time=timestamp(WINDOW.end))


def _stub(kind: Any, channel: grpc.aio.Channel) -> Any:  # noqa: ANN401 - see below
    # The stubs' types know blocking channels only.
    return kind(channel)


class Watchers:
    """Clients, each with a stream of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._seen: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._latest = dict.fromkeys(range(CLIENTS), -1)
        self._tasks: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []

    async def start(self) -> None:
        """Have all of them know the present state."""
        for number in range(CLIENTS):
            # Equal channels would share one connection.
            channel = grpc.aio.insecure_channel(self._address, (("bench.client", number),))
            self._channels.append(channel)
            self._tasks.append(asyncio.create_task(self._watch(number, channel)))
        await self.all_see(0)

    async def all_see(self, revision: int) -> None:
        """Return when the last one was told of *revision*, or of a later one."""
        async with asyncio.timeout(DEADLINE):
            while min(self._latest.values()) < revision:
                client, seen = await self._seen.get()
                self._latest[client] = seen

    async def stop(self) -> None:
        """End all streams."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    async def _watch(self, number: int, channel: grpc.aio.Channel) -> None:
        stream = _stub(ServingServiceStub, channel).Watch(WatchRequest(), metadata=METADATA)
        async for message in stream:
            for live in message.live_bundles:
                self._seen.put_nowait((number, live.revision))


class Bare(ServingServiceServicer):
    """Nothing but a fan-out of one message; Resolve has it sent."""

    def __init__(self) -> None:
        self._live = LiveBundle(alias=str(ALIAS), generation=1)
        self._live.live.bundle = BAD
        self._live.live.serving_config.update({"image": "sha256:1"})
        self._live.standby.CopyFrom(self._live.live)
        self._revision = 0
        self._changed = asyncio.Condition()

    async def Resolve(  # noqa: N802 - the name of the method
        self, _request: ResolveRequest, _context: object
    ) -> ResolveResponse:
        """Send the message to everybody, as of a new revision."""
        async with self._changed:
            self._revision += 1
            self._live.revision = self._revision
            self._changed.notify_all()
        return ResolveResponse(live_bundle=self._live)

    async def Watch(  # noqa: N802 - the name of the method
        self, _request: WatchRequest, _context: object
    ) -> AsyncIterator[WatchResponse]:
        """Stream the message, again for each revision."""
        sent = -1
        while True:
            async with self._changed:
                while self._revision <= sent:
                    await self._changed.wait()
                sent = self._revision
            yield WatchResponse(live_bundles=[self._live], revision=sent)


async def serve_bare() -> None:
    """Serve nothing but fan-outs, until stdin ends."""
    server = grpc.aio.server()
    add_ServingServiceServicer_to_server(Bare(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


class DurableWorld(World):
    """A world whose commits are real ones, and which goes on by itself."""

    _durable = True

    def run(self) -> None:
        """Drive operations and planes until stdin ends."""
        self._runner.start()
        self._converger.start()
        sys.stdin.read()
        self._runner.stop(DEADLINE)
        self._converger.stop(DEADLINE)


def serve_world(folder: Path) -> None:
    """Serve a world where bundle 1 is final and bundle 2 recorded, until stdin ends."""
    # As it serves by default: the tests' settings tell each client something all the time.
    (folder / "trilock.toml").write_text(settings_text(serving=""))
    world = DurableWorld(folder)
    served = Served(world, load_settings(folder / "trilock.toml"))
    try:
        served.start()
        world.release(world.record())
        world.record(variant="scaled")
        print(served.address, flush=True)
        world.run()
    finally:
        served.close()
        world.database.close()


@contextmanager
def child(*arguments: str) -> Iterator[str]:
    """Run this file in another process; yield the address that it serves on."""
    with subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate("")


async def fan_out_ms(address: str, *, rest: float) -> float:
    """Return the median milliseconds of one call and its fan-out."""
    watchers = Watchers(address)
    await watchers.start()
    async with grpc.aio.insecure_channel(address) as channel:
        send = _stub(ServingServiceStub, channel).Resolve
        call = partial(send, ResolveRequest())
        took = [(await _until(watchers, at, call, rest=rest))[0] for at in range(1, ROUNDS + 1)]
    await watchers.stop()
    return statistics.median(took)


async def rollback_ms(address: str, *, rest: float) -> float:
    """Return the median milliseconds of a rollback, until the last client knows."""
    watchers = Watchers(address)
    await watchers.start()
    took = []
    async with grpc.aio.insecure_channel(address) as channel:
        releases = _stub(ReleaseServiceStub, channel)
        for number in range(ROUNDS):
            if number:
                lift = LiftHoldRequest(name=BAD, reason="again")
                await _stub(BundleServiceStub, channel).LiftHold(lift, metadata=METADATA)
            promote = PromoteRequest(alias=str(ALIAS), bundle=BAD, feature_window=DAY)
            response = await releases.Promote(promote, metadata=METADATA)
            promoted = await _done(channel, response.operation)
            await watchers.all_see(promoted.pivot_revision)
            request = RollBackRequest(alias=str(ALIAS), leaves=promoted.release)
            call = partial(releases.RollBack, request, metadata=METADATA)
            milliseconds, answer = await _until(
                watchers, promoted.pivot_revision + 1, call, rest=rest
            )
            took.append(milliseconds)
            await _done(channel, answer.operation)
    await watchers.stop()
    return statistics.median(took)


async def _until(
    watchers: Watchers, revision: int, call: Callable[[], Awaitable[Any]], *, rest: float
) -> tuple[float, Any]:
    """Return the milliseconds from *call* until everybody saw *revision*, and its answer."""

    async def made() -> Any:  # noqa: ANN401 - any answer
        return await call()

    await asyncio.sleep(rest)
    start = time.perf_counter()
    asked = asyncio.create_task(made())
    await watchers.all_see(revision)
    took = (time.perf_counter() - start) * 1e3
    return took, await asked


async def _done(channel: grpc.aio.Channel, operation: Operation) -> Operation:
    seen = 0
    while not operation.done:
        request = WaitOperationRequest(name=operation.name, seen=seen)
        answer = await _stub(OperationServiceStub, channel).WaitOperation(
            request, metadata=METADATA
        )
        seen, operation = answer.version, answer.operation
    return operation


def commit_ms(folder: Path) -> float:
    """Return the median milliseconds of one durable commit of one row."""
    took = []
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE live (id INTEGER PRIMARY KEY, bundle TEXT)")
        for _ in range(10 * ROUNDS):
            start = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO live (bundle) VALUES ('models/delay/bundles/1')")
            connection.execute("COMMIT")
            took.append((time.perf_counter() - start) * 1e3)
    return statistics.median(took)


async def measure(folders: Mapping[str, Path]) -> dict[str, tuple[float, float]]:
    """Return, by what the figures are called, the milliseconds of a fan-out and of a rollback."""
    found = {}
    for label, folder in folders.items():
        with child("bare") as address:
            fan_out = await fan_out_ms(address, rest=RESTS[label])
        with child("world", str(folder)) as address:
            found[label] = fan_out, await rollback_ms(address, rest=RESTS[label])
    return found


def main() -> int:
    """Measure; return 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folders = {label: Path(name) / f"world{label}" for label in RESTS}
        for folder in folders.values():
            folder.mkdir()
        measured = asyncio.run(measure(folders))
        commit = commit_ms(Path(name))
    figures: list[tuple[str, float, str, float | None]] = [("durable_commit", commit, "ms", None)]
    for label, (fan_out, rollback) in measured.items():
        floor = commit + fan_out
        figures += [
            (f"call_and_fan_out_to_{CLIENTS}{label}", fan_out, "ms", None),
            (f"rollback_side_by_side{label}", rollback, "ms", None),
            (f"rollback_side_by_side{label}_over_floor", rollback / floor, "x", BOUND),
        ]
    broken = False
    for name, value, unit, bound in figures:
        ok = bound is None or value <= bound
        broken |= not ok
        figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
        print(json.dumps(figure))
    return 1 if broken else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["bare"]:
            asyncio.run(serve_bare())
        case ["world", place]:
            serve_world(Path(place))
        case _:
            sys.exit(main())
