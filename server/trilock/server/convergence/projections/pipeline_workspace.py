"""The workspace holds the outputs of the live bundle's pipeline commit."""

from typing import ClassVar

from trilock.server.domain.bundle import PipelineCommit
from trilock.server.domain.ports import Connections, Workspace
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database


class PipelineWorkspace:
    """Implements Projection. Exists for the `workspace_alias` of a `workspace`."""

    name: ClassVar[str] = "pipeline_workspace"
    absolute: ClassVar[bool] = True
    shared: ClassVar[bool] = True
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return the live bundle's pipeline commit."""
        return self._commit(live).revision

    def observe(self, live: LiveRow) -> str:
        """Return the commit whose outputs are there; "" if there are none."""
        return self._workspace(live).current() or ""

    def apply(self, live: LiveRow) -> None:
        """Restore the outputs into a fresh folder and switch to it."""
        self._workspace(live).checkout(self._commit(live))

    def _commit(self, live: LiveRow) -> PipelineCommit:
        with self._database.read() as session:
            return get_bundle(session, live.bundle).pipeline_commit

    def _workspace(self, live: LiveRow) -> Workspace:
        workspace = self._connections.planes(live.alias.model).workspace
        if workspace is None:
            raise ValueError("the settings name no workspace")
        return workspace
