"""Two replicas are replaced one by one while the schema is expanded under them.

The next release does not exist yet, so its migration is acted: a column and a
table more, and the word that servers of this release still work on it.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.served_world import Served, secret_of, settings_text
from tests.support.values import ALIAS
from tests.support.world import World
from trilock.client import Client, Resolver
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.operation import OperationState
from trilock.server.settings import load_settings
from trilock.server.store import migrate
from trilock.server.store.database import Database
from trilock.server.usecases.lift_hold import lift_hold
from trilock.v1.serving_service_pb2 import ResolveRequest

pytestmark = pytest.mark.slow

DEADLINE = 30.0
NEXT = (
    "ALTER TABLE live ADD COLUMN colour VARCHAR(32)",
    "CREATE TABLE colour (name VARCHAR(32) PRIMARY KEY)",
    "UPDATE alembic_version SET version_num = '0002_next'",
    "INSERT INTO program VALUES ('0002_next')",
)


class MigratedWorld(World):
    """As always, but its database is migrated as a server's is."""

    def _open(self, url: str) -> None:
        database = Database(url)
        migrate.upgrade(database)
        migrate.require_current(database)
        database.close()
        super()._open(url)


class Replicas:
    """Servers of one database and one outside world."""

    def __init__(self, folder: Path, url: str) -> None:
        self.world = MigratedWorld(folder)
        self.world._open(url)
        self._url = url
        self._settings = load_settings(folder / "trilock.toml")

    def start(self) -> Served:
        """Start one, on the schema that is there now."""
        world = copy.copy(self.world)
        world._open(self._url)
        served = Served(world, self._settings)
        served.start()
        return served


def stop(served: Served) -> None:
    """Stop one, with its connections."""
    served.close()
    served.world.database.close()


class Reader:
    """Serves predictions: asks its memory what is live, again and again."""

    def __init__(self, resolver: Resolver) -> None:
        self.revisions: list[int] = []
        self.failures: list[Exception] = []
        self._resolver = resolver
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(DEADLINE)

    def _read(self) -> None:
        while not self._over.wait(0.002):
            try:
                revision = self._resolver.current("delay").revision
            except Exception as error:  # noqa: BLE001 - all of them count
                self.failures.append(error)
            else:
                if self.revisions[-1:] != [revision]:
                    self.revisions.append(revision)


@pytest.fixture
def replicas(postgres_database: str, tmp_path: Path) -> Iterator[Replicas]:
    (tmp_path / "trilock.toml").write_text(settings_text())
    made = Replicas(tmp_path, postgres_database)
    yield made
    made.world.database.close()


@contextmanager
def reading(served: Served) -> Iterator[Reader]:
    client = Client(served.address, token=secret_of("serve"))
    with client, Resolver(client, ["delay"], reports=False) as resolver:
        assert resolver.wait_ready(DEADLINE)
        reader = Reader(resolver)
        reader.start()
        try:
            yield reader
        finally:
            reader.stop()


def test_readers_never_fail_and_a_rollback_works_at_every_moment(replicas: Replicas) -> None:
    first = replicas.world.record()
    second = replicas.world.record(variant="scaled")
    replicas.world.release(first)
    with ExitStack() as stack:
        a, b = replicas.start(), replicas.start()
        readers = [stack.enter_context(reading(served)) for served in (a, b)]
        swap_and_go_back(a, second)

        with replicas.world.database.write() as session:
            for statement in NEXT:
                session.connection().execute(sa.text(statement))
        swap_and_go_back(a, second)
        swap_and_go_back(b, second)

        stop(a)
        swap_and_go_back(b, second)
        new_a = replicas.start()
        stack.callback(stop, new_a)
        swap_and_go_back(new_a, second)
        stop(b)
        new_b = replicas.start()
        stack.callback(stop, new_b)
        readers.append(stack.enter_context(reading(new_b)))
        swap_and_go_back(new_a, second)
        newest = replicas.world.live().revision
        request = ResolveRequest(alias=str(ALIAS), min_revision=newest)
        told = new_b.call("Serving.Resolve", request, principal="serve")
        assert told.live_bundle.revision == newest

    for reader in readers:
        assert reader.failures == []
        assert reader.revisions == sorted(set(reader.revisions))


def swap_and_go_back(served: Served, bundle: Bundle) -> None:
    """Promote *bundle* on one replica, and roll it back there."""
    world = served.world
    before = world.live().bundle
    world.promote(bundle)
    world.settle()
    assert world.live().bundle == bundle.ref
    operation = world.roll_back().operation
    assert operation is not None
    assert world.settled(operation).state is OperationState.SUCCEEDED
    assert world.live().bundle == before
    lift_hold(world.runtime, resource=bundle.ref, reason="again", principal="ann")
