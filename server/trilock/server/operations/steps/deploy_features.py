"""Define a bundle's feature schema in the Feast project of its own.

The project belongs to trilock and to this one schema, so nothing live is
touched, other definitions in it are somebody else's and are refused, and there
is nothing to take back: a project that no release came to
need is retired later, like one that no release needs any more.
"""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import BusyError, ForeignEditError
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections
from trilock.server.store.database import Database
from trilock.server.store.schemas import get_schema
from trilock.server.workers.lease import is_held


def retirement_scope(project: str) -> str:
    """Return the scope of the lease on removing *project*; nobody deploys meanwhile."""
    return f"features/{project}"


def forbid_retiring(session: Session, schema: FeatureSchema) -> None:
    """Do nothing unless somebody is removing the schema's project right now.

    Raises:
        BusyError: Somebody is.
    """
    if is_held(session, retirement_scope(schema.project)):
        raise BusyError(scope=schema.project, operation="features retire", doing="removes it")


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
        with self._database.read() as session:
            forbid_retiring(session, schema)
        return self._connections.planes(args["model"]).features.definition(
            schema.capture, project=schema.project
        )

    def want(self, args: Json) -> JsonValue:
        """Return the definition digest of the recorded schema."""
        return self._schema(args).capture.definition_digest

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Deploy, if the project has none of the definitions yet.

        Raises:
            ForeignEditError: It has some, and others than the captured ones.
        """
        schema = self._schema(args)
        if before is not None:
            raise ForeignEditError(
                resource=f"the definition of {schema.ref} in Feast project {schema.project}",
                expected=schema.capture.definition_digest,
                found=before,
            )
        self._connections.planes(args["model"]).features.deploy(
            schema.capture, project=schema.project, expected=None
        )
        return schema.project

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Leave the project: nothing reads it."""

    def _schema(self, args: Json) -> FeatureSchema:
        with self._database.read() as session:
            return get_schema(session, FeatureSchemaRef.parse(args["feature_schema"]))
