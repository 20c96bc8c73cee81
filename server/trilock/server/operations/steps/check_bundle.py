"""Check a bundle against what is really there, right before it goes live (I2)."""

from typing import ClassVar

from trilock.server.checks.compatibility import Judge
from trilock.server.checks.foreign_edits import require_no_foreign_edit
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.store.database import Database


class CheckBundle:
    """Implements Step. Args: alias, bundle. Changes nothing."""

    name: ClassVar[str] = "check_bundle"
    timeout: ClassVar[float] = 10.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._judge = Judge(database, connections)

    def look(self, args: Json) -> JsonValue:
        """Return True if the bundle may go live.

        Raises:
            IncompatibleError: A finding forbids it.
            UndecidableError: Evidence is missing.
            NotReadyError: The model version is not what was recorded.
            ForeignEditError: Somebody moved the model's alias.
        """
        alias, bundle = AliasRef.parse(args["alias"]), BundleRef.parse(args["bundle"])
        require_no_foreign_edit(self._database, self._connections, alias=alias, bundle=bundle)
        self._judge.require_promotable(alias=alias, bundle=bundle)
        return True

    def want(self, args: Json) -> JsonValue:
        """Return True."""
        del args
        return True

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Do nothing: `look` raises or is content."""
        return None

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing."""
