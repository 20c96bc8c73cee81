"""Many clients resolve while what is live is switched: what they are told is one truth (I1).

A history is linearizable if it could have come from one row that is read and
written in one instant each. Every value of this row has its own revision, so it is
enough that every answer is whole, is at least as new as whatever anybody knew
before it was asked for, and no newer than what was begun before it came.
"""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc
import pytest

from tests.support.served_world import DEADLINE, Served, bearer, secret_of, served_world
from tests.support.values import ALIAS, MODEL
from trilock.server.domain.names import BundleRef
from trilock.server.domain.release import Cause, LiveRow, ReleaseKind
from trilock.server.store.releases import go_live, require_live, reserve_release
from trilock.v1.serving_pb2 import LiveBundle
from trilock.v1.serving_service_pb2 import ResolveRequest
from trilock.v1.serving_service_pb2_grpc import ServingServiceStub

CLIENTS = 50
SWAPS = 200
CHANNELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One resolve."""

    client: int
    begun: float
    known: int
    """The newest revision that anybody had been told of when it began."""
    ended: float
    told: LiveBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One switch of the live row."""

    begun: float
    live: LiveRow


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Bundle 1 is live, bundle 2 recorded."""
    with served_world(tmp_path) as served:
        served.world.release(served.world.record())
        served.world.record(variant="scaled")
        yield served


class Clients:
    """Clients in one event loop of a thread of their own; each resolves as fast as it can."""

    def __init__(self, address: str, *, known: int) -> None:
        self.answers: list[Answer] = []
        self.known = known
        self.until = -1
        """The revision that `told` waits for."""
        self.told = threading.Event()
        self._address = address
        self._over = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._resolve_all(),))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _resolve_all(self) -> None:
        channels = [grpc.aio.insecure_channel(self._address) for _ in range(CHANNELS)]
        await asyncio.gather(*(self._resolve(n, channels[n % CHANNELS]) for n in range(CLIENTS)))
        for channel in channels:
            await channel.close()

    async def _resolve(self, client: int, channel: grpc.aio.Channel) -> None:
        # The stubs know grpc's blocking calls only.
        stub: Any = ServingServiceStub(channel)
        metadata = (bearer(secret_of("serve")),)
        while not self._over.is_set():
            begun, known = time.monotonic(), self.known
            response = await stub.Resolve(
                ResolveRequest(alias=str(ALIAS), min_revision=known), metadata=metadata, timeout=20
            )
            told = response.live_bundle
            self.known = max(self.known, told.revision)
            if told.revision == self.until:
                self.told.set()
            self.answers.append(
                Answer(client=client, begun=begun, known=known, ended=time.monotonic(), told=told)
            )


def swap(served: Served, bundle: int) -> Swap:
    begun = time.monotonic()
    with served.world.database.write() as session:
        live = require_live(session, ALIAS)
        return Swap(
            begun=begun,
            live=go_live(
                session,
                alias=ALIAS,
                release=reserve_release(session, MODEL),
                bundle=BundleRef(MODEL, bundle),
                kind=ReleaseKind.ROLLBACK,
                target=live.release,
                restores=None,
                cause=Cause(principal="ann", reason="", incident=""),
                expected=live.release,
            ),
        )


def test_every_answer_is_whole_and_the_history_is_linearizable(served: Served) -> None:
    swaps = [Swap(begun=0.0, live=served.world.live())]
    with Clients(served.address, known=swaps[0].live.revision) as clients:
        for number in range(SWAPS):
            swaps.append(swap(served, 2 - number % 2))
            # Whoever asks from now on has to be told at least of this.
            clients.known = max(clients.known, swaps[-1].live.revision)
        clients.until = swaps[-1].live.revision
        assert clients.told.wait(DEADLINE)

    by_revision = {made.live.revision: made for made in swaps}
    assert len(by_revision) == SWAPS + 1
    assert {answer.client for answer in clients.answers} == set(range(CLIENTS))
    assert {answer.told.revision for answer in clients.answers} >= {swaps[-1].live.revision}
    for answer in clients.answers:
        made = by_revision[answer.told.revision]
        assert answer.told.revision >= answer.known
        assert made.begun <= answer.ended
        assert_whole(answer.told, made.live)


def assert_whole(told: LiveBundle, live: LiveRow) -> None:
    """Release, model, features and writers are those of one row."""
    version = live.bundle.number
    assert (told.live.release, told.live.bundle) == (str(live.release), str(live.bundle))
    assert told.live.model_version == str(version)
    assert told.live.serving_config["image"] == f"sha256:{version}"
    assert told.live.feature_project.startswith(f"delay__s{version}_")
    assert told.live.sink_epoch == live.epoch
