"""Who else reads what a switch would change (I6).

Side by side every feature schema has a Feast project of its own, so a switch changes
nothing for anybody who asks trilock. What it does change is the mirror project, and the
settings say which other models' readers read that one (`reads_projects`). Everything
here is worked out from captures and the live rows: nothing outside is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.compat import (
    Category,
    Consumer,
    FeatureSet,
    MalformedSignatureError,
    Policy,
    SharedState,
    Signature,
    Subject,
    check,
    parse_features,
    parse_signature,
)
from trilock.server.domain.bundle import Bundle, FeatureCapture, ModelVersion
from trilock.server.domain.errors import WrongStateError
from trilock.server.domain.names import AliasRef, BundleRef, ModelName
from trilock.server.domain.ports import Connections, FeatureStore
from trilock.server.domain.release import ALONE, LiveRow, ReleaseState, Together
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.policies import policy_with_waivers
from trilock.server.store.releases import get_live, get_release, list_live

_SOAKS: Final = frozenset({ReleaseState.SOAKING, ReleaseState.FINALIZING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A bundle of another model whose readers read the mirror project of an alias."""

    bundle: Bundle
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """A bundle whose features another alias mirrors, or would after a rollback."""

    cause: str
    bundle: Bundle


def mirror_scopes(connections: Connections, alias: AliasRef) -> tuple[str, ...]:
    """Return the locks that a promotion of *alias* needs for what it shares, besides its own.

    What was found of one side must not change before the pivot of the other.
    """
    own = [mirror_scope(alias)] if connections.mirror_readers(alias) else []
    return (*own, *(mirror_scope(other) for other in connections.mirrors_read(alias.model)))


def mirror_scope(alias: AliasRef) -> str:
    """Return the lock on what the mirror of *alias* holds and who reads it."""
    return f"{alias}/mirror"


def require_tables_unshared(
    session: Session, connections: Connections, *, alias: AliasRef, bundle: Bundle
) -> None:
    """Do nothing if nobody reads the features of *bundle* in another project than *alias* would.

    In place the tables of a schema are in one project, be it the one that readers read or its
    own: whoever reads them in the other one finds nothing. Side by side all read the same.

    Raises:
        WrongStateError: Somebody does.
    """
    schema, project = bundle.feature_schema, connections.in_place_project(alias)
    for live in list_live(session):
        theirs = connections.in_place_project(live.alias)
        if live.alias == alias or project == theirs:
            continue
        for release in live.needed:
            other = get_bundle(session, get_release(session, release).bundle)
            if other.feature_schema.ref == schema.ref:
                raise WrongStateError(
                    resource=str(schema.ref),
                    state=f"kept for {live.alias}, in {theirs or schema.project}",
                    verb=f"read by {alias} in {project or schema.project}",
                    hint="in place its tables are in one project; move the other alias off it",
                )


def readers(
    session: Session, connections: Connections, alias: AliasRef, *, together: Together = ALONE
) -> list[Reader]:
    """Return what is live, on trial or a target, whose readers read the mirror of *alias*.

    Args:
        session: The caller's transaction.
        connections: Who reads what.
        alias: What would be switched.
        together: What goes live with it, and counts instead of what is live now.
    """
    found: dict[tuple[BundleRef, AliasRef], Reader] = {}
    for model in connections.mirror_readers(alias):
        lives = {live.alias: live for live in list_live(session, model=ModelName(model))}
        for other in sorted({*lives, *(one for one in together if one.model == model)}):
            policy = policy_with_waivers(session, other)
            for ref in _bundles(session, lives.get(other), new=together.get(other)):
                found[ref, other] = Reader(bundle=get_bundle(session, ref), policy=policy)
    return list(found.values())


def mirrored(
    session: Session, connections: Connections, alias: AliasRef, *, together: Together = ALONE
) -> list[Mirrored]:
    """Return what is mirrored where readers of *alias* read, now and after a rollback there."""
    found = []
    for other in connections.mirrors_read(alias.model):
        if other in together:
            bundle = get_bundle(session, together[other])
            found.append(Mirrored(cause=f"what {other} mirrors with {bundle.ref}", bundle=bundle))
            continue
        live = get_live(session, other)
        if live is None:
            continue
        bundle = get_bundle(session, live.bundle)
        found.append(Mirrored(cause=f"what {other} mirrors of {live.bundle}", bundle=bundle))
        if live.state in _SOAKS and live.target is not None:
            target = get_release(session, live.target).bundle
            cause = f"rolling back {live.release}, which soaks,"
            found.append(Mirrored(cause=cause, bundle=get_bundle(session, target)))
    return found


def consumers(
    features: FeatureStore, found: list[Reader], *, capture: FeatureCapture
) -> Iterator[Consumer]:
    """Yield what becomes of each reader when *capture* is mirrored."""
    for reader in found:
        own = reader.bundle.feature_schema.capture
        yield Consumer(
            name=str(reader.bundle.ref),
            signature=_signature(reader.bundle.model_version),
            recorded=parse_features(features.describe(own), service=own.service),
            after=_overlaid(features, own, by=capture),
            policy=reader.policy,
        )


def shared_states(
    features: FeatureStore, found: list[Mirrored], *, capture: FeatureCapture
) -> Iterator[SharedState]:
    """Yield what becomes of *capture* where another alias mirrors its own."""
    for state in found:
        after = _overlaid(features, capture, by=state.bundle.feature_schema.capture)
        yield SharedState(cause=state.cause, after=after)


def broken_by(
    database: Database, connections: Connections, *, alias: AliasRef, bundle: BundleRef
) -> list[str]:
    """Return what would break elsewhere if *bundle* went live on *alias*, a line each.

    For a rollback, which nothing may stop: it is said, and not asked.
    """
    if not connections.mirror_readers(alias):
        return []
    with database.read() as session:
        capture = get_bundle(session, bundle).feature_schema.capture
        found = readers(session, connections, alias)
    features = connections.planes(alias.model).features
    subject = Subject(
        name=str(bundle),
        signature=None,
        features=parse_features(features.describe(capture), service=capture.service),
    )
    report = check(subject, consumers=list(consumers(features, found, capture=capture)))
    return [one.message for one in report.findings if one.category is Category.CONSUMERS]


def _bundles(
    session: Session, live: LiveRow | None, *, new: BundleRef | None
) -> Iterator[BundleRef]:
    if new is not None:
        # What is live now becomes its target, but what goes live together is what fits together.
        yield new
        return
    if live is None:
        return
    yield live.bundle
    for release in (*live.trials, *([] if live.target is None else [live.target])):
        yield get_release(session, release).bundle


def _overlaid(features: FeatureStore, capture: FeatureCapture, *, by: FeatureCapture) -> FeatureSet:
    """Return what the service of *capture* delivers where *by* was defined over it.

    An object is replaced by the one of the same kind and name; all others stay.
    """
    objects = {(raw.kind, raw.name): raw for raw in features.describe(capture)}
    for raw in features.describe(by):
        key = raw.kind, raw.name
        # Another service's own list of views is nothing to this one.
        if key in objects or raw.kind != "feature_service":
            objects[key] = raw
    return parse_features(tuple(objects.values()), service=capture.service)


def _signature(model: ModelVersion) -> Signature | None:
    try:
        return parse_signature(inputs=model.inputs, outputs=model.outputs, params=model.params)
    except MalformedSignatureError:
        return None  # as good as none: EVI003 says that it cannot be told
