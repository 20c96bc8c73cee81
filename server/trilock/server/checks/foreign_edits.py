"""Whether somebody else has moved what trilock is about to move (I8)."""

from trilock.server.domain.errors import ForeignEditError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.ports import Connections
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.releases import get_live


def require_no_foreign_edit(
    database: Database, connections: Connections, *, alias: AliasRef, bundle: BundleRef
) -> None:
    """Do nothing if the registry's alias is where trilock left it, or where it is to go.

    The first release of an alias takes over whatever was there: nothing is
    recorded that it could contradict.

    Raises:
        ForeignEditError: Somebody moved it.
        PlaneUnavailableError: The registry does not answer.
    """
    planes = connections.planes(alias.model)
    with database.read() as session:
        live = get_live(session, alias)
        if live is None:
            return
        expected = get_bundle(session, live.bundle).model_version.version
        wanted = get_bundle(session, bundle).model_version.version
    found = planes.registry.alias(model=planes.registered_model, alias=alias.alias)
    if found not in {expected, wanted}:
        raise ForeignEditError(
            resource=f"alias {alias.alias} of MLflow model {planes.registered_model}",
            expected=expected,
            found=found,
        )
