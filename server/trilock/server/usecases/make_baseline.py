"""Say who must go on working when a feature repository changes. Changes nothing."""

from dataclasses import dataclass

from trilock.compat import Policy, Reader, SignatureTexts, Standing
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import UnknownConnectionError
from trilock.server.domain.names import AliasRef, ModelName
from trilock.server.store.bundles import get_bundle
from trilock.server.store.policies import policy_with_waivers
from trilock.server.store.releases import get_release, list_live
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An alias whose readers nothing can be said of."""

    alias: AliasRef
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Who must go on working, as far as that can be said."""

    readers: tuple[Reader, ...]
    left_out: tuple[LeftOut, ...]


def make_baseline(runtime: Runtime, *, model: ModelName | None) -> Baseline:
    """Return every live bundle and every rollback target, as they were recorded.

    What is live of a model that the settings do not name any more is left out, and
    said to be: nothing here knows how its features are to be read.

    Outside systems are not asked: what serves is what was recorded, and whether
    it is still so is for readiness to say.

    Args:
        runtime: What to work on.
        model: Only this model's; None for all.
    """
    with runtime.database.read() as session:
        found: list[tuple[AliasRef, Standing, Bundle, Policy]] = []
        for live in list_live(session, model=model):
            policy = policy_with_waivers(session, live.alias)
            bundle = get_bundle(session, live.bundle)
            found.append((live.alias, Standing.LIVE, bundle, policy))
            if live.target is not None:
                target = get_bundle(session, get_release(session, live.target).bundle)
                found.append((live.alias, Standing.TARGET, target, policy))
    readers: list[Reader] = []
    left_out: dict[AliasRef, LeftOut] = {}
    for alias, standing, bundle, policy in found:
        try:
            readers.append(_reader(runtime, bundle, alias=alias, standing=standing, policy=policy))
        except UnknownConnectionError as error:
            left_out[alias] = LeftOut(alias=alias, why=str(error))
    return Baseline(readers=tuple(readers), left_out=tuple(left_out.values()))


def _reader(
    runtime: Runtime, bundle: Bundle, *, alias: AliasRef, standing: Standing, policy: Policy
) -> Reader:
    model, capture = bundle.model_version, bundle.feature_schema.capture
    return Reader(
        name=str(bundle.ref),
        standing=standing,
        alias=str(alias),
        model_version=model.version,
        project=capture.project,
        service=capture.service,
        signature=SignatureTexts(inputs=model.inputs, outputs=model.outputs, params=model.params),
        policy=policy,
        objects=runtime.connections.planes(alias.model).features.describe(capture),
    )
