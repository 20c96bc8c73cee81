"""The processes that serve an alias have switched, as far as the settings wait for them.

Nothing is done to them: they follow by themselves. What is waited for is their
acknowledgement of the last switch, so that an operation that is over can be
believed; how long it took is the measured time to restore. Who does not answer
in time is named, and not waited for any longer: a process that hangs must not
keep a release from being called live.
"""

import time
from typing import ClassVar, Final

from trilock.server.domain.errors import UnavailableError
from trilock.server.domain.fleet import FleetPolicy
from trilock.server.domain.release import LiveRow
from trilock.server.store.database import Database
from trilock.server.store.fleet import FLEET_PLANE, get_fleet, switched_for_ms

_LOOK_SECONDS: Final = 0.02


class FleetFollows:
    """Implements Projection. Exists where somebody watches the alias."""

    name: ClassVar[str] = FLEET_PLANE
    absolute: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, policy: FleetPolicy) -> None:
        self._database = database
        self._policy = policy

    def wanted(self, live: LiveRow) -> str:
        """Return that it follows, or that it is not waited for any more."""
        found, agreed = self._look(live)
        return found if agreed else _follows(live)

    def observe(self, live: LiveRow) -> str:
        """Return that it follows, or how far it is and who is missing."""
        return self._look(live)[0]

    def apply(self, live: LiveRow) -> None:
        """Wait for the answers that come at once."""
        until = time.monotonic() + self._policy.patience_seconds
        found, agreed = self._look(live)
        while not agreed and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            found, agreed = self._look(live)
        if not agreed:
            raise UnavailableError(f"waiting for watchers: {found}")

    def _look(self, live: LiveRow) -> tuple[str, bool]:
        with self._database.read() as session:
            fleet = get_fleet(session, live, revision=live.switched_revision)
            waited_ms = switched_for_ms(session, live)
        if fleet.satisfies(self._policy.wait_for):
            return _follows(live), True
        # By the second only, or by name: an equal text says that nothing has changed.
        given_up = waited_ms >= self._policy.deadline_seconds * 1000
        return f"{fleet}, not waited for any more" if given_up else str(fleet), given_up


def _follows(live: LiveRow) -> str:
    return f"follows revision {live.switched_revision}"
