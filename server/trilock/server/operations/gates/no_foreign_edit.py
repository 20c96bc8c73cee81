"""Nobody else has moved the model alias that is to follow, or changed the features (I8)."""

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
        """Do nothing if the alias, and the bundle's feature project, are as trilock left them.

        Raises:
            ForeignEditError: Somebody moved the one, or changed the other.
            PlaneUnavailableError: A registry does not answer.
        """
        require_no_foreign_edit(
            self._database,
            self._connections,
            alias=AliasRef.parse(args["alias"]),
            bundle=BundleRef.parse(args["bundle"]),
        )
