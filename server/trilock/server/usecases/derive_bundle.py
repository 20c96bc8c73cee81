"""Record the bundle of one half of another, and of the other half of what is live."""

from enum import StrEnum

from trilock.server.checks.compatibility import Judge, Tuple
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import InvalidRequestError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.store.bundles import get_bundle, record_bundle_row
from trilock.server.store.releases import require_live
from trilock.server.usecases.runtime import Runtime


class Half(StrEnum):
    """Which half is taken from the bundle that is named."""

    MODEL = "model"
    FEATURES = "features"


def derive_bundle(
    runtime: Runtime, *, alias: AliasRef, bundle: BundleRef, only: Half, principal: str
) -> tuple[Bundle, bool]:
    """Record *only* the half of *bundle*, with the other half of what is live on *alias*.

    The pipeline commit and the serving config go with the model, which they made and
    serve. What comes out is judged like any other bundle, and is not live: promoting it
    is another call. The same again gives the bundle that is there.

    Returns:
        The bundle, and whether it is new.

    Raises:
        InvalidRequestError: *bundle* is of another model.
        NotFoundError: There is no such bundle, or nothing was ever released there.
    """
    if bundle.model != alias.model:
        raise InvalidRequestError([("bundle", f"{bundle} is not of model {alias.model!r}")])
    with runtime.database.read() as session:
        named = get_bundle(session, bundle)
        live = get_bundle(session, require_live(session, alias).bundle)
    model_of, features_of = (named, live) if only is Half.MODEL else (live, named)
    judged = Tuple(
        name=f"models/{alias.model}/bundles/-",
        model_version=model_of.model_version,
        capture=features_of.feature_schema.capture,
        pipeline_commit=model_of.pipeline_commit,
    )
    report = Judge(runtime.database, runtime.connections).report(judged, alias=alias)
    with runtime.database.write() as session:
        recorded, created = record_bundle_row(
            session,
            model=alias.model,
            model_version=model_of.model_version,
            feature_schema=features_of.feature_schema,
            pipeline_commit=model_of.pipeline_commit,
            serving_config=model_of.serving_config,
            report=report.to_json(),
            creator=principal,
        )
    return recorded, created
