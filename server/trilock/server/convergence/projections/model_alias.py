"""The model registry's alias points at the live bundle's model version."""

from typing import ClassVar

from trilock.server.domain.ports import Connections
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database


class ModelAlias:
    """Implements Projection."""

    name: ClassVar[str] = "model_alias"
    absolute: ClassVar[bool] = True
    shared: ClassVar[bool] = True
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 10.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return the live bundle's model version."""
        with self._database.read() as session:
            return get_bundle(session, live.bundle).model_version.version

    def observe(self, live: LiveRow) -> str:
        """Return the version the alias points at; "" if there is none."""
        planes = self._connections.planes(live.alias.model)
        return planes.registry.alias(model=planes.registered_model, alias=live.alias.alias) or ""

    def apply(self, live: LiveRow) -> None:
        """Point the alias at the live bundle's version."""
        planes = self._connections.planes(live.alias.model)
        planes.registry.set_alias(
            model=planes.registered_model, alias=live.alias.alias, version=self.wanted(live)
        )
