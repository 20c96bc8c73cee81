"""Who serves an alias, and who served a revision."""

from trilock.server.domain.fleet import Fleet, RecordedAcknowledgement
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.store.events import bundle_at
from trilock.server.store.fleet import get_fleet, list_acknowledgements
from trilock.server.store.releases import require_live
from trilock.server.usecases.runtime import Runtime


def describe_fleet(runtime: Runtime, alias: AliasRef) -> Fleet:
    """Return the watchers of *alias*, held against its present revision.

    Raises:
        NotFoundError: Nothing was ever released there.
    """
    with runtime.database.read() as session:
        return get_fleet(session, require_live(session, alias))


def describe_who_served(
    runtime: Runtime, *, revision: int, offset: int, limit: int
) -> list[tuple[RecordedAcknowledgement, BundleRef | None]]:
    """Return who answered to *revision*, and the bundle that it was, if that is still known."""
    with runtime.database.read() as session:
        found = list_acknowledgements(session, revision=revision, offset=offset, limit=limit)
        return [(one, bundle_at(session, one.alias, revision=revision)) for one in found]
