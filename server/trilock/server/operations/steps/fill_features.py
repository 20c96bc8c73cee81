"""Fill the online tables of a bundle's feature project before anybody reads them."""

import logging
from datetime import datetime
from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections, Window
from trilock.server.store.database import Database
from trilock.server.store.schemas import get_schema

_log = logging.getLogger(__name__)


class FillFeatures:
    """Implements Step. Args: model, feature_schema, start, end."""

    name: ClassVar[str] = "fill_features"
    timeout: ClassVar[float] = 3600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return whether every view that can be is filled from start to end of the window."""
        schema = self._schema(args)
        views = self._connections.planes(args["model"]).features.views(
            schema.capture, project=schema.project
        )
        start = datetime.fromisoformat(args["start"])
        end = datetime.fromisoformat(args["end"])
        return all(
            view.fed_from is not None
            and view.fed_from <= start
            and view.fed_until is not None
            and view.fed_until >= end
            for view in views
            if view.feedable
        )

    def want(self, args: Json) -> JsonValue:
        """Return True: filled."""
        del args
        return True

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Materialize the window, in a worker process; return the rows of each view."""
        schema = self._schema(args)
        views = self._connections.planes(args["model"]).features.fill(
            schema.capture,
            project=schema.project,
            window=Window(
                start=datetime.fromisoformat(args["start"]),
                end=datetime.fromisoformat(args["end"]),
            ),
            progress=lambda line: _log.info("filling %s: %s", schema.project, line),
        )
        return {view.view: view.rows for view in views}

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Leave the values: nothing reads them."""

    def _schema(self, args: Json) -> FeatureSchema:
        with self._database.read() as session:
            return get_schema(session, FeatureSchemaRef.parse(args["feature_schema"]))
