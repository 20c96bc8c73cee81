"""Nobody else has moved the model alias that is to follow (I8)."""

from typing import ClassVar

from trilock.server.checks.foreign_edits import require_no_foreign_edit
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Json
from trilock.server.domain.ports import Connections
from trilock.server.store.database import Database


class NoForeignEdit:
    """Implements Gate. Args: alias, bundle."""

    name: ClassVar[str] = "no_foreign_edit"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def require(self, args: Json) -> None:
        """Do nothing if the alias is where trilock left it, or where it is to go.

        Raises:
            ForeignEditError: Somebody moved it.
            PlaneUnavailableError: The registry does not answer.
        """
        require_no_foreign_edit(
            self._database,
            self._connections,
            alias=AliasRef.parse(args["alias"]),
            bundle=BundleRef.parse(args["bundle"]),
        )
