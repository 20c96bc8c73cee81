"""Whether somebody else has moved what trilock is about to move (I8)."""

from trilock.server.checks.drift import is_as_recorded
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import ForeignEditError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.ports import Connections, Planes
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.releases import get_live, get_release


def require_no_foreign_edit(
    database: Database, connections: Connections, *, alias: AliasRef, bundle: BundleRef
) -> None:
    """Do nothing if what is about to be read, or moved, is as trilock left it.

    The registry's alias may be where it is to go already. The first release of an alias
    takes over whatever was there: nothing is recorded that it could contradict. The
    bundle's feature project may not be there yet, unless the bundle is on trial and reads it.

    Raises:
        ForeignEditError: Somebody moved the alias, or changed the bundle's features.
        PlaneUnavailableError: The registry does not answer.
    """
    planes = connections.planes(alias.model)
    with database.read() as session:
        live = get_live(session, alias)
        recorded = get_bundle(session, bundle)
        trials = () if live is None else live.trials
        on_trial = bundle in {get_release(session, ref).bundle for ref in trials}
        before = None if live is None else get_bundle(session, live.bundle)
    _require_features(planes, recorded.feature_schema, is_there=on_trial)
    if before is None:
        return
    expected, wanted = before.model_version.version, recorded.model_version.version
    found = planes.registry.alias(model=planes.registered_model, alias=alias.alias)
    if found not in {expected, wanted}:
        raise ForeignEditError(
            resource=f"alias {alias.alias} of MLflow model {planes.registered_model}",
            expected=expected,
            found=found,
        )


def _require_features(planes: Planes, schema: FeatureSchema, *, is_there: bool) -> None:
    found = planes.features.definition(schema.capture, project=schema.project)
    if found is None and not is_there:
        return
    if not is_as_recorded(planes, schema, project=schema.project, found=found):
        raise ForeignEditError(
            resource=f"the definition of {schema.ref} in Feast project {schema.project}",
            expected=schema.capture.definition_digest,
            found=found,
        )
