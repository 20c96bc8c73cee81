"""The live Feast project follows the live bundle, for readers that do not resolve.

Side by side it is a copy of the live schema's own project. In place it is the
only one that is fed, and the live schema's tables are swapped in; before a switch,
while an operation leads with them, those of the schema that is about to be live.
"""

from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.ports import Connections, Planes
from trilock.server.domain.release import LiveRow
from trilock.server.features.in_place import (
    observe_in_place,
    swap_in_place,
    wanted_in_place,
)
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.leading import held_in_place


class FeatureMirror:
    """Implements Projection. Exists for the `mirror_alias` of a `mirror_project`."""

    name: ClassVar[str] = "feature_mirror"
    absolute: ClassVar[bool] = False
    shared: ClassVar[bool] = True
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 60.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return the state of the live bundle's own project."""
        schema, planes = self._schema(live), self._connections.planes(live.alias.model)
        if planes.in_place:
            return wanted_in_place(schema)
        return _state(planes, schema, project=schema.project)

    def observe(self, live: LiveRow) -> str:
        """Return the state of the mirror project."""
        schema, planes = self._schema(live), self._connections.planes(live.alias.model)
        if planes.in_place:
            return observe_in_place(planes, schema, project=_mirror(planes))
        return _state(planes, schema, project=_mirror(planes))

    def apply(self, live: LiveRow) -> None:
        """Make the mirror equal: definitions, values, watermarks."""
        schema, planes = self._schema(live), self._connections.planes(live.alias.model)
        project = _mirror(planes)
        if planes.in_place:
            swap_in_place(self._database, planes, schema, model=live.alias.model, project=project)
        else:
            planes.features.mirror(schema.capture, source=schema.project, project=project)

    def _schema(self, live: LiveRow) -> FeatureSchema:
        """Return what the project is to hold; in place that may be ahead of the live bundle's."""
        in_place = self._connections.in_place_project(live.alias) is not None
        with self._database.read() as session:
            bundle = held_in_place(session, live) if in_place else live.bundle
            return get_bundle(session, bundle).feature_schema


def _mirror(planes: Planes) -> str:
    if planes.mirror_project is None:
        raise ValueError("the settings name no mirror_project")
    return planes.mirror_project


def _state(planes: Planes, schema: FeatureSchema, *, project: str) -> str:
    # Definitions, and how far each view is fed: equal watermarks are copied with the
    # values, so they tell a mirror that was copied from one that was only defined.
    definition = planes.features.definition(schema.capture, project=project) or "none"
    fed = [
        f"{view.view}={'-' if view.fed_until is None else view.fed_until.isoformat()}"
        for view in planes.features.views(schema.capture, project=project, count=False)
    ]
    return " ".join([definition[:16], *fed])
