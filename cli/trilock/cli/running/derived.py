"""`--only`: a bundle of one half of another, and of the other half of what is live."""

from typing import Final

from trilock.cli.input.options import Half
from trilock.cli.output.streams import clean, say
from trilock.cli.output.words import last
from trilock.cli.running.session import Session
from trilock.client.names import short_alias
from trilock.v1.bundle_service_pb2 import BundleHalf, DeriveBundleRequest

_HALVES: Final = {
    Half.MODEL: BundleHalf.BUNDLE_HALF_MODEL,
    Half.FEATURES: BundleHalf.BUNDLE_HALF_FEATURES,
}


def only(session: Session, bundle: str, *, alias: str, half: Half | None) -> str:
    """Return *bundle*, or the recorded bundle of its *half* and of what is live on *alias*."""
    if half is None:
        return bundle
    request = DeriveBundleRequest(alias=alias, bundle=bundle, only=_HALVES[half])
    derived = session.client.bundles.DeriveBundle(request).bundle.name
    other = Half.FEATURES if half is Half.MODEL else Half.MODEL
    say(
        clean(
            f"bundle {last(derived)} is the {half} of bundle {last(bundle)} with the {other} "
            f"of what is live on {short_alias(alias)}"
        )
    )
    return derived
