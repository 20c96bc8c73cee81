"""What every use case works on. Made once, by the composition root."""

from dataclasses import dataclass

from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.names import ModelName
from trilock.server.domain.ports import Connections
from trilock.server.operations.journal import Journal
from trilock.server.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The database, the outside systems and the journal."""

    database: Database
    connections: Connections
    journal: Journal

    def require_model(self, model: ModelName) -> None:
        """Do nothing if the settings have *model*.

        Raises:
            UnknownConnectionError: They have not.
        """
        self.connections.planes(model)

    def require_known(self, model: ModelName) -> None:
        """Do the same, and open nothing: for what concerns trilock's own database only.

        Raises:
            UnknownConnectionError: They have not.
        """
        known = self.connections.models()
        if model not in known:
            raise UnknownConnectionError(kind="model", name=model, known=known)
