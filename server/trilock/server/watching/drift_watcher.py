"""Look at the planes every few seconds: what others change is on record, or taken back.

Report-only by default (I8). A plane is driven to the live row again where the
settings say so, and always when a bundle on hold was put back: that is what
makes a rollback stick. Driving is the converger's, under its lease.
"""

import logging

from trilock.server.checks.drift import DriftCheck, Look
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import LiveRow
from trilock.server.store.database import Database
from trilock.server.store.drifts import open_drifts, record_drifts
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import get_live, list_live, lock_live
from trilock.server.watching.regular import Regular

_log = logging.getLogger(__name__)


class DriftWatcher(Regular):
    """A thread that compares every alias with its planes."""

    def __init__(self, database: Database, connections: Connections, *, interval: float) -> None:
        """Do nothing yet.

        Args:
            database: Where live rows are read and drift is kept.
            connections: What is looked at.
            interval: Seconds between two looks.
        """
        self._database = database
        self._connections = connections
        self._check = DriftCheck(database, connections)
        super().__init__(
            "drift",
            self.look,
            every=interval,
            first=0.0,
            unknown="whether anything drifted is not known",
        )

    def look(self) -> None:
        """Look once at every alias."""
        with self._database.read() as session:
            lives = list_live(session)
        for live in lives:
            try:
                self._record(live, self._check.look(live))
            except TrilockError as error:
                _log.warning("whether %s drifted is not known: %s", live.alias, error)

    def _record(self, live: LiveRow, look: Look) -> None:
        with self._database.read() as session:
            known = {(drift.plane, drift.deviation) for drift in open_drifts(session, live.alias)}
        found = {(each.deviation.plane, each.deviation) for each in look.found}
        kept = {each for each in known if (each[0], each[1].resource) in look.unknown}
        if known - kept == found:
            return  # nothing new, nothing gone: no need to write
        always = self._connections.planes(live.alias.model).reasserts_drift
        deviations = [
            (each.deviation, each.held, always or each.held is not None) for each in look.found
        ]
        with self._database.write() as session:
            # Locked, so that of two replicas that saw the same one records it.
            lock_live(session, [live.alias])
            if get_live(session, live.alias) != live:
                return  # what was seen is of another live row
            new = record_drifts(session, live.alias, deviations, unknown=look.unknown)
            again = {drift.plane for drift in new if drift.reasserted}
            if again:
                set_behind(session, live.alias, planes=again)
        for drift in new:
            _log.warning(
                "%s drifted%s: %s",
                drift.deviation.resource,
                ", and is made to agree again" if drift.reasserted else "",
                "; ".join(drift.deviation.changes) or drift.deviation.found,
            )
