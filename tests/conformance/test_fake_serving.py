"""The server for users' own tests keeps the real one's promises."""

from collections.abc import Iterator

import pytest

from tests.conformance.serving import Operated, ServingContract
from trilock.client import Client
from trilock.client.testing import FakeTrilock


class Fake:
    """Implements Operated."""

    def __init__(self, server: FakeTrilock, client: Client) -> None:
        self._server = server
        self._versions = iter(range(1, 100))
        self.client = client

    def record(self) -> str:
        return self._server.record(
            "delay",
            model_version=str(next(self._versions)),
            objects=["feature_service/delay", "feature_view/weather"],
            columns=["weather:humidity", "weather:temp"],
        )

    def promote(self, bundle: str, *, canary: int = 0) -> None:
        self._server.promote("delay", bundle, canary=canary)

    def advance(self, percent: int) -> None:
        self._server.advance("delay", percent)

    def finalize(self) -> None:
        self._server.finalize("delay")

    def roll_back(self) -> None:
        self._server.roll_back("delay", reason="it is bad", incident="INC-7")

    def compact(self) -> None:
        self._server.compact()


class TestFakeTrilock(ServingContract):
    @pytest.fixture
    def trilock(self) -> Iterator[Operated]:
        with FakeTrilock(progress=0.1) as server, Client(server.address) as client:
            yield Fake(server, client)
