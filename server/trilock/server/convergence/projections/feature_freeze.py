"""Nobody but trilock defines anything in the Feast projects that the live row keeps."""

from typing import ClassVar

from trilock.server.domain.ports import Connections, Freezing
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.releases import get_release


class FeatureFreeze:
    """Implements Projection. Exists where the settings say `freeze`."""

    name: ClassVar[str] = "feature_freeze"
    absolute: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 15.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return the projects that are to be frozen, and for which release."""
        return _text(self._projects(live))

    def observe(self, live: LiveRow) -> str:
        """Return the projects that are frozen, and for which release."""
        features = self._connections.planes(live.alias.model).features
        return _text(dict(features.frozen(owner=str(live.alias))))

    def apply(self, live: LiveRow) -> None:
        """Freeze those of the live row, and no others of this alias."""
        features = self._connections.planes(live.alias.model).features
        features.freeze(owner=str(live.alias), projects=self._projects(live))

    def _projects(self, live: LiveRow) -> dict[str, str]:
        if self._connections.freezing(live.alias.model) is not Freezing.ON:
            return {}
        with self._database.read() as session:
            projects = {
                get_bundle(session, get_release(session, ref).bundle).feature_schema.project
                for ref in live.needed
            }
        planes = self._connections.planes(live.alias.model)
        if planes.mirror_project is not None and self._connections.has_mirror(live.alias):
            projects.add(planes.mirror_project)
        why = f" ({live.cause.reason})" if live.cause.reason else ""
        text = f"{live.release} of {live.bundle} on {live.alias}, by {live.cause.principal}{why}"
        return dict.fromkeys(projects, text)


def _text(projects: dict[str, str]) -> str:
    if not projects:
        return "nothing frozen"
    reasons = " | ".join(sorted(set(projects.values())))
    return f"{' '.join(sorted(projects))} for {reasons}"
