"""The composition root: the only module that knows every concrete class.

Order of a start: lock the file, bring the schema up, serve what is live, then
drive what was left undone. Vendors load in the background, after that.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from sqlmodel import Session

from trilock.server.connections import SettingsConnections
from trilock.server.convergence.catalog import Projections
from trilock.server.convergence.converger import Converger
from trilock.server.convergence.finish import finish_release
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.release import LiveRow
from trilock.server.operations.catalog import steps
from trilock.server.operations.journal import Journal
from trilock.server.operations.runner import Runner
from trilock.server.rpc.principals import Authenticator
from trilock.server.rpc.server import RpcServer
from trilock.server.serving.feed import DatabaseFeed
from trilock.server.serving.hub import Hub
from trilock.server.settings import Settings, load_settings
from trilock.server.store.counters import begin_generation
from trilock.server.store.database import Database, FileLock
from trilock.server.store.migrate import require_current, upgrade
from trilock.server.store.notices import Listener
from trilock.server.usecases.runtime import Runtime
from trilock.server.watching.drift_watcher import DriftWatcher
from trilock.server.watching.feature_watcher import FeatureWatcher
from trilock.server.watching.prober import Prober
from trilock.server.watching.purger import Purger
from trilock.server.watching.retirer import Retirer
from trilock.server.workers.lease import free_all

_log = logging.getLogger(__name__)


def open_database(settings: Settings) -> tuple[Database, ExitStack]:
    """Return the database, ready to be served, and what to close in the end.

    Raises:
        DatabaseInUseError: Another process serves the SQLite file.
        SchemaOutdatedError: PostgreSQL has another schema; `trilock migrate` mends that.
        UnavailableError: The database does not answer.
    """
    with ExitStack() as stack:
        database = Database(settings.database.url.get_secret_value())
        stack.callback(database.close)
        if database.path is not None:
            database.path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(database.path))
            upgrade(database)
        else:
            require_current(database)
        with database.write() as session:
            begin_generation(session)
        return database, stack.pop_all()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs; yield the address that is listened on.

    Raises:
        TrilockError: It cannot be served like this; the message says why.
    """
    database, stack = open_database(settings)
    with stack:
        connections = SettingsConnections(settings)
        journal = Journal(database)
        runtime = Runtime(database=database, connections=connections, journal=journal)
        runner = Runner(database, journal, steps(database, connections))
        watching = settings.watching
        prober = Prober(database, connections, interval=watching.readiness_seconds)
        drift = DriftWatcher(database, connections, interval=watching.drift_seconds)

        features = FeatureWatcher(database, connections, interval=watching.features_seconds)
        purger = Purger(database, connections, keep_ms=settings.sinks.keep_ms)
        retirer = Retirer(database, connections)

        def on_converged(session: Session, live: LiveRow) -> None:
            finish_release(session, live)
            # There may be another rollback target now: it is looked at before somebody asks.
            prober.nudge()

        converger = Converger(
            database,
            journal,
            Projections(database, connections, fleet=settings.fleet.policy),
            on_converged=on_converged,
        )
        if database.path is not None:
            # Under the file's lock: whoever had a lease is dead.
            free_all(database)
        hub = Hub(
            DatabaseFeed(database),
            poll=settings.serving.poll_seconds,
            progress=settings.serving.progress_seconds,
        )
        database.after_revision(hub.nudge)
        if database.path is None:
            listener = Listener(database, hub.nudge)
            listener.start()
            stack.callback(listener.stop, settings.server.grace_seconds)
        authenticator = Authenticator(settings, database)
        await hub.start()
        rpc = RpcServer(settings, runtime=runtime, hub=hub, authenticator=authenticator)
        address = await rpc.start()
        runner.start()
        converger.start()
        prober.start()
        purger.start()
        retirer.start()
        drift.start()
        features.start()
        threading.Thread(target=_warm, args=(connections,), name="warm", daemon=True).start()
        try:
            yield address
        finally:
            grace = settings.server.grace_seconds
            await rpc.stop(grace)
            await hub.close()
            stops = [
                runner.stop,
                converger.stop,
                prober.stop,
                drift.stop,
                purger.stop,
                retirer.stop,
                features.stop,
            ]
            await asyncio.to_thread(_stop_all, stops, grace)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; say on stdout where, once it is so.

    Raises:
        TrilockError: It cannot be served like this; the message says why.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(settings) as address:
        sys.stdout.write(f"serving on {address}\n")
        sys.stdout.flush()
        await stopped.wait()
        _log.info("stopping")


def _stop_all(stops: Sequence[Callable[[float], object]], seconds: float) -> None:
    threads = [threading.Thread(target=stop, args=(seconds,)) for stop in stops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _warm(connections: SettingsConnections) -> None:
    try:
        connections.warm()
    except TrilockError as error:
        _log.warning("not warmed: %s", error)


def main(argv: list[str] | None = None) -> int:
    """Serve with the settings file named in *argv*, or the one that is found."""
    arguments = sys.argv[1:] if argv is None else argv
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = load_settings(Path(arguments[0]) if arguments else None)
        asyncio.run(serve(settings))
    except TrilockError as error:
        sys.stderr.write(f"trilock: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
