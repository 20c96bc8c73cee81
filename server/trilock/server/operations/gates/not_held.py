"""Neither the bundle that is to go live is on hold, nor the alias it goes to.

A hold is a row of trilock's own, so the pivot asks once more, in its transaction:
`forbid_held` is the one rule for both.
"""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.errors import HeldError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Json
from trilock.server.store.database import Database
from trilock.server.store.holds import get_hold


class NotHeld:
    """Implements Gate. Args: alias, bundle."""

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
            forbid_held(
                session,
                BundleRef.parse(args["bundle"]),
                alias=AliasRef.parse(args["alias"]),
            )


def forbid_held(session: Session, bundle: BundleRef, *, alias: AliasRef) -> None:
    """Do nothing if neither *bundle* nor *alias* is on hold.

    Raises:
        HeldError: One of them is.
    """
    for resource in (bundle, alias):
        hold = get_hold(session, resource)
        if hold is not None:
            raise HeldError(resource=str(resource), why=hold.reason, who=hold.principal)
