"""The Feast projects of the live bundle, its target and its trials define what was recorded.

They are deployed before a pivot and nobody else has any business there, so they
are driven only while somebody's change of them is to be taken back.
"""

from typing import ClassVar

from trilock.server.checks.drift import FEATURE_PROJECTS
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.releases import get_release

_SHORT = 16


class FeatureProjects:
    """Implements Projection. Exists while drift of them is re-asserted."""

    name: ClassVar[str] = FEATURE_PROJECTS
    absolute: ClassVar[bool] = False
    shared: ClassVar[bool] = True
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 60.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return the recorded definition of each project."""
        return " ".join(
            f"{schema.project}={schema.capture.definition_digest[:_SHORT]}"
            for schema in self._schemas(live)
        )

    def observe(self, live: LiveRow) -> str:
        """Return the definition of each project as it is now."""
        features = self._connections.planes(live.alias.model).features
        found = {
            schema.project: features.definition(schema.capture, project=schema.project)
            for schema in self._schemas(live)
        }
        return " ".join(f"{project}={_short(digest)}" for project, digest in found.items())

    def apply(self, live: LiveRow) -> None:
        """Define in each project what was recorded; values and watermarks are not touched."""
        features = self._connections.planes(live.alias.model).features
        for schema in self._schemas(live):
            # Taken now: what somebody puts there between the two looks is not overwritten.
            found = features.definition(schema.capture, project=schema.project)
            features.deploy(schema.capture, project=schema.project, expected=found)

    def _schemas(self, live: LiveRow) -> list[FeatureSchema]:
        with self._database.read() as session:
            schemas = {
                schema.project: schema
                for ref in live.needed
                for schema in [get_bundle(session, get_release(session, ref).bundle).feature_schema]
            }
        planes = self._connections.planes(live.alias.model)
        # In place the values of one are in the mirror, which has a projection of its own.
        return [
            schemas[project]
            for project in sorted(schemas)
            if planes.home(schemas[project]) == project
        ]


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:_SHORT]
