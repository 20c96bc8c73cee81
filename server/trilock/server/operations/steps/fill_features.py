"""Fill the online tables of a bundle's feature project before anybody reads them."""

from datetime import datetime
from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import WaitingError
from trilock.server.domain.names import FeatureSchemaRef, ModelName
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections, Window
from trilock.server.operations.step import Tell
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.leading import held_in_place
from trilock.server.store.releases import list_live
from trilock.server.store.schemas import get_schema


def window_of(args: Json) -> Window:
    """Return the event times that *args* name."""
    return Window(
        start=datetime.fromisoformat(args["start"]), end=datetime.fromisoformat(args["end"])
    )


def forbid_leaving(
    database: Database, connections: Connections, schema: FeatureSchema, *, model: ModelName
) -> None:
    """Do nothing unless the values of *schema* are on their way out of the one project, in place.

    Rows go there by the name of a table, which is another one's in a moment.

    Raises:
        WaitingError: They are.
    """
    home = connections.planes(model).home(schema)
    if home == schema.project:
        return
    with database.read() as session:
        stays = any(
            get_bundle(session, held_in_place(session, live)).feature_schema.ref == schema.ref
            for live in list_live(session, model=model)
            if connections.in_place_project(live.alias) == home
        )
    if not stays:
        raise WaitingError(f"{schema.ref} is on its way out of {home}: it is fed afterwards")


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
        forbid_leaving(self._database, self._connections, schema, model=args["model"])
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
