"""Twenty clients resolve all the time while their server is killed, restarted and replaced."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.served_world import Served, secret_of, served_world
from tests.support.tcp_proxy import TcpProxy
from trilock.client import Client, Freshness, LiveBundle, Resolver
from trilock.server.domain.bundle import Bundle

pytestmark = pytest.mark.slow

CLIENTS = 20
DEADLINE = 30.0
_LOOK = 0.02
_PAUSE = 0.002


class Readers:
    """Reads of every resolver, all the time; what fails is kept."""

    def __init__(self, resolvers: list[Resolver]) -> None:
        self.resolvers = resolvers
        self.failed: list[BaseException] = []
        self.seen: list[list[tuple[int, int]]] = [[] for _ in resolvers]
        self.reads = 0
        self._done = threading.Event()

    @contextmanager
    def reading(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._read, args=(number,))
            for number in range(len(self.resolvers))
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def wait_all(self, reached: Callable[[Resolver], bool]) -> None:
        """Wait until *reached* holds for every resolver."""
        for _ in range(round(DEADLINE / _LOOK)):
            if all(reached(resolver) for resolver in self.resolvers):
                return
            threading.Event().wait(_LOOK)
        raise AssertionError([resolver.health() for resolver in self.resolvers])

    def wait_state(self, state: Freshness) -> None:
        self.wait_all(lambda resolver: resolver.health().state is state)

    def _read(self, number: int) -> None:
        resolver, seen = self.resolvers[number], self.seen[number]
        while not self._done.wait(_PAUSE):
            try:
                live: LiveBundle = resolver.current("delay")
            except BaseException as error:  # noqa: BLE001 - the test's very question
                self.failed.append(error)
                return
            self.reads += 1
            if not seen or seen[-1] != live.position:
                seen.append(live.position)


def test_no_read_fails_whatever_becomes_of_the_server(tmp_path: Path) -> None:
    with ExitStack() as stack:
        served = stack.enter_context(served_world(tmp_path))
        world = served.world
        bundles: list[Bundle] = [world.record() for _ in range(4)]
        world.release(bundles[0])
        replica = Served(world, served._settings)
        stack.callback(replica.close)  # after the clients, which say farewell to it
        proxy = stack.enter_context(TcpProxy(target_of(served)))
        resolvers = []
        for number in range(CLIENTS):
            client = stack.enter_context(
                Client(f"127.0.0.1:{proxy.port}", token=secret_of("serve"))
            )
            folder = tmp_path / f"cache-{number}"
            resolvers.append(stack.enter_context(Resolver(client, ["delay"], cache_dir=folder)))
        readers = Readers(resolvers)
        assert all(resolver.wait_ready(DEADLINE) for resolver in resolvers)
        with readers.reading():
            # Killed: every connection is reset, and no new one is taken.
            proxy.refuse()
            readers.wait_state(Freshness.STALE)
            problem = resolvers[0].health().problem
            world.release(bundles[1])

            # Restarted: what was missed is told.
            served.stop(grace=0)
            served.start()
            proxy._target = target_of(served)
            proxy.forward()
            readers.wait_all(serves(bundles[1]))
            readers.wait_state(Freshness.READY)

            # Replaced by another replica on the same database.
            replica.start()
            proxy.refuse()
            proxy._target = target_of(replica)
            served.stop(grace=0)
            proxy.forward()
            world.release(bundles[2])
            readers.wait_all(serves(bundles[2]))
            readers.wait_state(Freshness.READY)

            # Hanging: it is there and says nothing. Reading goes on.
            proxy.hang()
            reads = readers.reads
            readers.wait_all(lambda _: readers.reads > reads + CLIENTS)
            proxy.refuse()
            proxy.forward()
            world.release(bundles[3])
            readers.wait_all(serves(bundles[3]))

    assert readers.failed == []
    assert problem.startswith("no trilock server answers at ")
    for seen in readers.seen:
        assert seen == sorted(set(seen))


def target_of(served: Served) -> tuple[str, int]:
    host, _, port = served.address.rpartition(":")
    return host, int(port)


def serves(bundle: Bundle) -> Callable[[Resolver], bool]:
    return lambda resolver: resolver.current("delay").bundle == str(bundle.ref)
