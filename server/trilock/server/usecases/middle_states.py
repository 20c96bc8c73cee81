"""Judge the states that an alias passes through, in place, on its way to another bundle."""

from dataclasses import dataclass

from trilock.server.checks.compatibility import Judge
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import TrilockError, WindowNotAcceptedError
from trilock.server.domain.names import AliasRef
from trilock.server.planning.middle import State, Way, way
from trilock.server.planning.planner import Surroundings
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """What is between two bundles, in place."""

    taken: State
    """Model first: the pivot is one transaction, and the one project follows it."""
    way: Way

    def require_accepted(self, alias: AliasRef, *, why: str) -> None:
        """Do nothing if readers may pass through it, or *why* says that somebody accepts it.

        Raises:
            WindowNotAcceptedError: Neither.
        """
        if self.way is Way.MODEL_FIRST or why:
            return
        raise WindowNotAcceptedError(
            alias=str(alias),
            model=str(self.taken.model_of),
            features=str(self.taken.features_of),
            why=self.taken.why,
            features_first=self.way is Way.FEATURES_FIRST,
        )


def middle(
    runtime: Runtime, around: Surroundings, *, before: Bundle | None, after: Bundle
) -> Middle | None:
    """Return what readers would be served between *before* and *after*; None for nothing.

    There is nothing in between side by side, and where the features stay the same.
    """
    same = before is not None and _schema(before) == _schema(after)
    if not around.feature_project or before is None or same:
        return None
    judge = Judge(runtime.database, runtime.connections)
    taken = _judged(judge, around.alias, model_of=after, features_of=before)
    other = _judged(judge, around.alias, model_of=before, features_of=after)
    return Middle(taken=taken, way=way(model_first=taken, features_first=other))


def _judged(judge: Judge, alias: AliasRef, *, model_of: Bundle, features_of: Bundle) -> State:
    try:
        problems = judge.unfit(model_of, alias=alias, features_of=features_of)
    except TrilockError as error:
        problems = (str(error),)
    recorded, found = model_of.feature_schema, features_of.feature_schema
    same_meaning = recorded.semantics_digest == found.semantics_digest
    why = problems[0] if problems else ""
    if not (problems or same_meaning):
        why = f"{found.ref} is made otherwise than {recorded.ref}, which it was recorded with"
    return State(
        model_of=model_of.ref,
        features_of=features_of.ref,
        fits=not problems,
        same_meaning=same_meaning,
        why=why,
    )


def _schema(bundle: Bundle) -> object:
    return bundle.feature_schema.ref
