"""See that what a bundle's feature project serves is what its sources have.

A watermark says that a time was fed, not that its values are right: rows that
came late, a table that somebody else wrote to, a job of another definition all
leave it as it was. So entities are counted and a sample of values is compared
with the offline store, before anybody reads them.
"""

from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import NotReadyError
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.operations.step import Tell
from trilock.server.operations.steps.fill_features import forbid_leaving, window_of
from trilock.server.store.database import Database
from trilock.server.store.schemas import get_schema


class VerifyFeatures:
    """Implements Step and LongStep. Args: model, feature_schema, start, end."""

    name: ClassVar[str] = "verify_features"
    timeout: ClassVar[float] = 3600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return what differs, one line each."""
        schema, planes = self._schema(args), self._connections.planes(args["model"])
        found = planes.features.compare(
            schema.capture,
            project=planes.home(schema),
            window=window_of(args),
            sample=planes.filling.sample,
        )
        return [f"{view.view}: {line}" for view in found for line in view.differences]

    def want(self, args: Json) -> JsonValue:
        """Return an empty list: nothing differs."""
        del args
        return []

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Do what `apply_telling` does, in silence."""
        return self.apply_telling(args, before=before, tell=lambda _: None)

    def apply_telling(self, args: Json, *, before: JsonValue, tell: Tell) -> JsonValue:
        """Feed the window once more, whatever is on record: rows may have come late.

        Raises:
            NotReadyError: It still differs, and how.
        """
        schema, planes = self._schema(args), self._connections.planes(args["model"])
        forbid_leaving(self._database, self._connections, schema, model=args["model"])
        tell(f"differs, is fed again: {before[0]}")
        planes.features.fill(
            schema.capture,
            project=planes.home(schema),
            window=window_of(args),
            progress=tell,
            bounds=planes.filling.bounds,
        )
        problems = self.look(args)
        if problems:
            raise NotReadyError(resource=f"Feast project {planes.home(schema)}", problems=problems)
        return f"fed again: {before[0]}"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing: looking changes nothing, and nobody reads what was fed again."""

    def _schema(self, args: Json) -> FeatureSchema:
        with self._database.read() as session:
            return get_schema(session, FeatureSchemaRef.parse(args["feature_schema"]))
