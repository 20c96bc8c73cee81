"""Fill the online tables of a bundle's feature project before anybody reads them."""

from datetime import datetime
from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections, Window
from trilock.server.operations.step import Tell
from trilock.server.store.database import Database
from trilock.server.store.schemas import get_schema


def window_of(args: Json) -> Window:
    """Return the event times that *args* name."""
    return Window(
        start=datetime.fromisoformat(args["start"]), end=datetime.fromisoformat(args["end"])
    )


class FillFeatures:
    """Implements Step and LongStep. Args: model, feature_schema, start, end."""

    name: ClassVar[str] = "fill_features"
    timeout: ClassVar[float] = 3600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return whether every view that can be is filled from start to end of the window."""
        schema, planes = self._schema(args), self._connections.planes(args["model"])
        views = planes.features.views(schema.capture, project=planes.home(schema), count=False)
        window = window_of(args)
        return all(
            view.fed_from is not None
            and view.fed_from <= window.start
            and view.fed_until is not None
            and view.fed_until >= window.end
            for view in views
            if view.feedable
        )

    def want(self, args: Json) -> JsonValue:
        """Return True: filled."""
        del args
        return True

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Do what `apply_telling` does, in silence."""
        return self.apply_telling(args, before=before, tell=lambda _: None)

    def apply_telling(self, args: Json, *, before: JsonValue, tell: Tell) -> JsonValue:
        """Materialize what of the window is not on record yet; return the rows of each view.

        In a worker process and in chunks: cut short, what was fed stays so, and the
        next try goes on from there.
        """
        schema, planes = self._schema(args), self._connections.planes(args["model"])
        views = planes.features.fill(
            schema.capture,
            project=planes.home(schema),
            window=window_of(args),
            progress=tell,
            bounds=planes.filling.bounds,
            resume=True,
        )
        return {view.view: view.rows for view in views}

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Leave the values: nothing reads them."""

    def _schema(self, args: Json) -> FeatureSchema:
        with self._database.read() as session:
            return get_schema(session, FeatureSchemaRef.parse(args["feature_schema"]))
