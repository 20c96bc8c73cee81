"""Look at rollback targets and staged rows, again and again: trouble is found by day."""

import logging
import threading
from typing import Final

from trilock.server.checks.compatibility import Judge
from trilock.server.checks.readiness import readiness
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import LiveRow, ReleaseState
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.fallbacks import get_fallback, note_fallback
from trilock.server.store.readiness import put_readiness
from trilock.server.store.releases import get_live, get_release, list_live
from trilock.server.store.sinks import list_sinks, note_staged_rows
from trilock.server.watching.loader import Loader

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 10.0


class Prober:
    """A thread that keeps the readiness of each alias's rollback target."""

    def __init__(self, database: Database, connections: Connections, *, interval: float) -> None:
        """Do nothing yet.

        Args:
            database: Where live rows are read and findings kept.
            connections: What is looked at.
            interval: Seconds between two looks at the same target.
        """
        self._database = database
        self._connections = connections
        self._interval = interval
        self._judge = Judge(database, connections)
        # What it finds is on record at once.
        self._loader = Loader(tell=self.nudge)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def nudge(self) -> None:
        """Look now: something has changed."""
        self._wake.set()

    def stop(self, timeout: float) -> None:
        """Stop, and wait at most *timeout* seconds for the look under way."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def look(self) -> None:
        """Look once at every target."""
        with self._database.read() as session:
            lives = list_live(session)
        for live in lives:
            if live.target is not None:
                self._look_at(live)
            self._look_at_fallback(live)
            if live.state is ReleaseState.SOAKING:
                self._count_staged(live)

    def _look_at(self, live: LiveRow) -> None:
        if live.target is None:
            return
        with self._database.read() as session:
            bundle = get_bundle(session, get_release(session, live.target).bundle)
        found = readiness(
            self._connections,
            bundle,
            seconds=_LOOK_SECONDS,
            rebuild=True,
            fresh=True,
            check=lambda planes, one: (
                *self._judge.unfit(one, alias=live.alias),
                *self._loader.problems(planes, one),
            ),
        )
        rebuild = (f"a rebuild would miss: {problem}" for problem in found.rebuild_problems)
        with self._database.write() as session:
            put_readiness(session, live, state=found.state, problems=(*found.problems, *rebuild))

    def _look_at_fallback(self, live: LiveRow) -> None:
        with self._database.read() as session:
            fallback = get_fallback(session, live.alias)
            if fallback is None:
                return
            bundle = get_bundle(session, fallback.bundle)
        found = readiness(self._connections, bundle, seconds=_LOOK_SECONDS)
        with self._database.write() as session:
            note_fallback(session, fallback, state=found.state, problems=found.problems)

    def _count_staged(self, live: LiveRow) -> None:
        with self._database.read() as session:
            sinks = list_sinks(session, model=live.alias.model)
        for sink in sinks:
            try:
                database = self._connections.sink_database(sink.connection)
                count = database.count_staged(sink, epoch=live.epoch)
            except TrilockError as error:
                _log.warning("rows staged for %s are not counted: %s", sink.ref, error)
                continue
            with self._database.write() as session:
                # What was counted is past as soon as the release does not soak any more.
                if get_live(session, live.alias) == live:
                    note_staged_rows(session, live.release, sink.ref, count=count)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except TrilockError as error:
                _log.warning("readiness is not known: %s", error)
            except Exception:  # noqa: BLE001 - a defect in one look must not end all looks
                _log.exception("readiness is not known")
            self._wake.wait(self._interval)
            self._wake.clear()
