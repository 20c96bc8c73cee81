"""The real server's promises to those who serve; only the outside systems are fakes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.serving import Operated, ServingContract
from tests.support.served_world import Served, secret_of, served_world
from tests.support.values import ALIAS
from tests.support.world import ANN
from trilock.client import Client
from trilock.server.domain.names import BundleRef
from trilock.server.planning.trial import Trial
from trilock.server.store.bundles import get_bundle
from trilock.server.store.events import compact_events, read_state
from trilock.server.usecases.advance import advance


class Real:
    """Implements Operated."""

    def __init__(self, served: Served, client: Client) -> None:
        self._served = served
        self._world = served.world
        self.client = client

    def record(self) -> str:
        return str(self._world.record().ref)

    def promote(self, bundle: str, *, canary: int = 0) -> None:
        with self._world.database.read() as session:
            found = get_bundle(session, BundleRef.parse(bundle))
        trial = {"trial": Trial(percent=canary)} if canary else {}
        self._world.promote(found, **trial)
        self._settle()

    def advance(self, percent: int) -> None:
        advance(
            self._world.runtime,
            alias=ALIAS,
            percent=percent,
            reason="",
            etag="",
            request_id="",
            validate_only=False,
            principal=ANN,
        )
        self._settle()

    def finalize(self) -> None:
        self._world.finalize()
        self._settle()

    def roll_back(self) -> None:
        with self._world.database.read() as session:
            (live,) = read_state(session).live
        self._world.roll_back(leaves=live.canary.release if live.canary else live.live.release)
        self._settle()

    def compact(self) -> None:
        with self._world.database.write() as session:
            compact_events(session, before_ms=1 << 60)
        # The hub keeps recent changes in memory: only a new one knows of no more.
        self._served.stop(grace=0)
        self._served.start()
        self.client = Client(self._served.address, token=secret_of("serve"))

    def _settle(self) -> None:
        self._world.settle()
        self._served.hub.nudge()
        known = self._world.live().revision
        self._served.run(
            self._served.hub.resolve(
                "models/delay/aliases/production", min_revision=known, seconds=20
            )
        )


class TestServedWorld(ServingContract):
    @pytest.fixture
    def trilock(self, tmp_path: Path) -> Iterator[Operated]:
        with (
            served_world(tmp_path) as served,
            Client(served.address, token=secret_of("serve")) as client,
        ):
            real = Real(served, client)
            yield real
            real.client.close()
