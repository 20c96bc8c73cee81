"""Judge the states that an alias passes through, in place, on its way to another bundle."""

from dataclasses import dataclass

from trilock.server.checks.drift import FEATURE_MIRROR
from trilock.server.checks.middle import MiddleJudge
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import WindowNotAcceptedError
from trilock.server.domain.names import AliasRef
from trilock.server.features.in_place import wanted_in_place
from trilock.server.planning.middle import State, Way, way
from trilock.server.planning.plan import Surroundings
from trilock.server.store.bundles import get_bundle
from trilock.server.store.leading import held_in_place
from trilock.server.store.plane_states import has_followed
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """What is between two bundles, in place."""

    way: Way
    taken: State
    """What readers are served in between."""
    passed_over: State | None
    """What they would be served the other way; None if there is no other way."""
    why: str
    """Why this way, in one line."""

    def require_accepted(self, alias: AliasRef, *, why: str) -> None:
        """Do nothing if readers may pass through it, or *why* says that somebody accepts it.

        Raises:
            WindowNotAcceptedError: Neither.
        """
        if self.way is not Way.WINDOW or why:
            return
        raise WindowNotAcceptedError(
            alias=str(alias),
            model=str(self.taken.model_of),
            features=str(self.taken.features_of),
            why=self.taken.why,
        )


def middle_of_promotion(
    runtime: Runtime, around: Surroundings, *, before: Bundle | None, after: Bundle
) -> Middle | None:
    """Return what readers would be served between *before* and *after*; None for nothing.

    There is nothing in between side by side, and where the features stay the same. A project
    that has yet to follow what is live may hold any: no model goes live on it before they come.
    """
    if not around.feature_project or before is None:
        return None
    follows = _has_followed(runtime, around, before)
    if follows and _same_features(before, after):
        return None
    judge = MiddleJudge(runtime.database, runtime.connections)
    model_first = (
        judge.model_first(around.alias, before=before, after=after)
        if follows
        else State(
            model_of=after.ref,
            features_of=before.ref,
            fits=False,
            same_meaning=False,
            why=f"{around.feature_project} does not hold them yet: `trilock status` says why",
        )
    )
    features_first = judge.features_first(around.alias, before=before, after=after)
    taken = way(model_first=model_first, features_first=features_first)
    if taken is Way.FEATURES_FIRST:
        return Middle(
            way=taken, taken=features_first, passed_over=model_first, why=_reads(before, after)
        )
    why = _reads(after, before) if taken is Way.MODEL_FIRST else "neither order goes together"
    return Middle(way=taken, taken=model_first, passed_over=features_first, why=why)


def middle_of_rollback(runtime: Runtime, around: Surroundings, *, after: Bundle) -> Middle | None:
    """Return what readers would be served until the features of *after* are back; None for nothing.

    A rollback switches first, whatever that means for a while: it waits for nothing. An
    operation that it pre-empts may have led with other features than those of what is live.
    """
    if not around.feature_project or around.live is None:
        return None
    with runtime.database.read() as session:
        held = get_bundle(session, held_in_place(session, around.live))
    if _same_features(held, after):
        return None
    judge = MiddleJudge(runtime.database, runtime.connections)
    try:
        state = judge.model_first(around.alias, before=held, after=after)
    except Exception as error:  # noqa: BLE001 - opening a plane may fail in any vendor's way
        # Whoever is to go back is told; nobody is kept from it.
        state = State(
            model_of=after.ref,
            features_of=held.ref,
            fits=False,
            same_meaning=False,
            why=f"it cannot be judged: {type(error).__name__}: {error}",
        )
    return Middle(
        way=Way.MODEL_FIRST if state.compatible else Way.WINDOW,
        taken=state,
        passed_over=None,
        why="a rollback switches at once, and the features follow",
    )


def _has_followed(runtime: Runtime, around: Surroundings, live: Bundle) -> bool:
    if around.live is None:
        return False
    value = wanted_in_place(live.feature_schema)
    with runtime.database.read() as session:
        return has_followed(session, around.live, plane=FEATURE_MIRROR, value=value)


def _reads(model_of: Bundle, features_of: Bundle) -> str:
    schema = features_of.feature_schema.ref
    return (
        f"model version {model_of.model_version.version} reads what it was recorded with from "
        f"{schema.service} version {schema.version}, too"
    )


def _same_features(one: Bundle, other: Bundle) -> bool:
    return one.feature_schema.ref == other.feature_schema.ref
