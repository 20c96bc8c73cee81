from collections.abc import Iterator

import pytest

from trilock.client import Resolver
from trilock.client.testing import FakeTrilock


@pytest.fixture
def trilock() -> Iterator[FakeTrilock]:
    with FakeTrilock() as server:
        yield server


@pytest.fixture
def resolver(trilock: FakeTrilock) -> Iterator[Resolver]:
    with Resolver(trilock.address, ["delay"]) as resolver:
        yield resolver
