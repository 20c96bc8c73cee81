"""What was live on an alias at a past moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from trilock.server.domain.errors import InvalidRequestError, NotFoundError
from trilock.server.domain.live import ServingBundle
from trilock.server.domain.names import AliasRef
from trilock.server.domain.release import Release
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import now_ms
from trilock.server.store.releases import find_release_at
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A release, and what serving processes were told while it was live."""

    release: Release
    serving: ServingBundle


def describe_past(
    runtime: Runtime, alias: AliasRef, *, at: datetime, clock: Callable[[], int] = now_ms
) -> Past:
    """Return what was live on *alias* at *at*.

    Raises:
        InvalidRequestError: *at* is in the future.
        NotFoundError: Nothing was live there then.
    """
    at_ms = round(at.timestamp() * 1000)
    if at_ms > clock():
        raise InvalidRequestError([("time", f"{at.isoformat()} is in the future")])
    with runtime.database.read() as session:
        release = find_release_at(session, alias, at_ms=at_ms)
        if release is None:
            raise NotFoundError(
                f"{alias} at {at.isoformat()}",
                hint="`trilock history` lists what was live since when",
            )
        bundle = get_bundle(session, release.bundle)
    serving = ServingBundle.of(
        bundle,
        release=release.ref,
        epoch=release.epoch,
        feature_project=release.feature_project,
    )
    return Past(release=release, serving=serving)
