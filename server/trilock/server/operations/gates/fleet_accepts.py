"""No more than half of the processes that serve an alias have refused what is live, or tried."""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.errors import FleetRefusedError
from trilock.server.domain.fleet import WatcherState
from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.operation import Json
from trilock.server.domain.release import LiveRow
from trilock.server.store.database import Database
from trilock.server.store.fleet import get_fleet
from trilock.server.store.releases import get_release, require_live


class FleetAccepts:
    """Implements Gate. Args: alias, canary (only where it is asked of that)."""

    name: ClassVar[str] = "fleet_accepts"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def require(self, args: Json) -> None:
        """Do nothing unless a quorum refused.

        Raises:
            FleetRefusedError: More than half of them did.
        """
        canary = args.get("canary")
        with self._database.read() as session:
            forbid_refused(
                session,
                require_live(session, AliasRef.parse(args["alias"])),
                canary=None if canary is None else ReleaseRef.parse(canary),
            )


def forbid_refused(session: Session, live: LiveRow, *, canary: ReleaseRef | None = None) -> None:
    """Do nothing unless a quorum refused *live*, since *canary* began if there is one.

    Raises:
        FleetRefusedError: More than half of the watchers did.
    """
    # Since it began, and not since the row changed: neither another share nor the end of a
    # shadow takes a "no" back.
    since = get_release(session, canary or live.release).revision
    fleet = get_fleet(session, live, revision=since)
    if fleet.refused_by_quorum:
        raise FleetRefusedError(
            alias=str(live.alias),
            refused=len(fleet.those(WatcherState.REFUSED)),
            watchers=len(fleet.watchers),
            why=fleet.refusal,
            what="what is live" if canary is None else f"{canary}, the canary",
        )
