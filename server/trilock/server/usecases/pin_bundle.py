"""Answer with a bundle by its name, whatever is live: for shadow and replay."""

from trilock.server.domain.live import ServingBundle
from trilock.server.domain.names import BundleRef
from trilock.server.store.bundles import get_bundle
from trilock.server.usecases.runtime import Runtime

_NO_EPOCH = 0
"""No writer can hold it: what a pinned bundle predicts is written to no sink."""


def pin_bundle(runtime: Runtime, ref: BundleRef) -> ServingBundle:
    """Return what a serving process needs of the bundle *ref*.

    Raises:
        NotFoundError: There is no such bundle.
    """
    with runtime.database.read() as session:
        return ServingBundle.of(get_bundle(session, ref), release=None, epoch=_NO_EPOCH)
