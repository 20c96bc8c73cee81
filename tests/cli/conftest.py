from collections.abc import Iterator

import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from trilock.v1.admin_service_pb2 import GetServerInfoResponse


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        server.answer("AdminService.GetServerInfo", GetServerInfoResponse(models=["delay"]))
        yield server


@pytest.fixture
def trilock(server: FakeServer) -> Trilock:
    return Trilock(server.address)
