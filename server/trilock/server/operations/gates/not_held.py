"""The bundle that is to go live is not on hold.

A hold is a row of trilock's own, so the pivot asks once more, in its transaction:
`forbid_held` is the one rule for both.
"""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.errors import HeldError
from trilock.server.domain.names import BundleRef
from trilock.server.domain.operation import Json
from trilock.server.store.bundles import get_hold
from trilock.server.store.database import Database


class NotHeld:
    """Implements Gate. Args: bundle."""

    name: ClassVar[str] = "not_held"
    timeout: ClassVar[float] = 1.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def require(self, args: Json) -> None:
        """Do nothing if no hold is recorded.

        Raises:
            HeldError: One is.
        """
        with self._database.read() as session:
            forbid_held(session, BundleRef.parse(args["bundle"]))


def forbid_held(session: Session, bundle: BundleRef) -> None:
    """Do nothing if *bundle* is not on hold.

    Raises:
        HeldError: It is.
    """
    hold = get_hold(session, bundle)
    if hold is not None:
        raise HeldError(resource=str(bundle), why=hold.reason, who=hold.principal)
