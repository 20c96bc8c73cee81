"""Define a bundle's feature schema in the Feast project of its own.

The project belongs to trilock and to this one schema, so nothing live is
touched and there is nothing to take back: a project that no release came to
need is retired later, like one that no release needs any more.
"""

from typing import ClassVar

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.store.database import Database
from trilock.server.store.schemas import get_schema


class DeployFeatures:
    """Implements Step. Args: model, feature_schema."""

    name: ClassVar[str] = "deploy_features"
    timeout: ClassVar[float] = 5.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def look(self, args: Json) -> JsonValue:
        """Return the definition digest that the project has now."""
        schema = self._schema(args)
        return self._connections.planes(args["model"]).features.definition(
            schema.capture, project=schema.ref.project
        )

    def want(self, args: Json) -> JsonValue:
        """Return the definition digest of the recorded schema."""
        return self._schema(args).capture.definition_digest

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Deploy, if the project is still as it was looked at."""
        schema = self._schema(args)
        self._connections.planes(args["model"]).features.deploy(
            schema.capture, project=schema.ref.project, expected=before
        )
        return schema.ref.project

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Leave the project: nothing reads it."""

    def _schema(self, args: Json) -> FeatureSchema:
        with self._database.read() as session:
            return get_schema(session, FeatureSchemaRef.parse(args["feature_schema"]))
