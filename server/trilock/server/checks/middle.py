"""Judge what readers are served between two bundles, in place: a model on another's features.

It goes together if the features fit the model, and those that it reads mean what they meant when
it was recorded. What is delivered beside them is nothing to it. Worked out from captures: no
outside system is asked.
"""

from collections.abc import Sequence

from trilock.server.checks.compatibility import Judge
from trilock.server.checks.sharing import broken_by
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Connections
from trilock.server.planning.middle import State
from trilock.server.store.database import Database


class MiddleJudge:
    """Judges both ways from what is live on an alias to another bundle."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._judge = Judge(database, connections)

    def model_first(self, alias: AliasRef, *, before: Bundle, after: Bundle) -> State:
        """Return what it is to serve the model of *after* on the features of *before*."""
        return self._state(alias, model_of=after, features_of=before)

    def features_first(self, alias: AliasRef, *, before: Bundle, after: Bundle) -> State:
        """Return what it is to serve the model of *before* on the features of *after*.

        To other models whose readers read the same project, too, as they are now: what goes
        live together goes live later.
        """
        others: list[str] = []
        try:
            others += broken_by(self._database, self._connections, alias=alias, bundle=after.ref)
        except TrilockError as error:
            others.append(str(error))
        return self._state(alias, model_of=before, features_of=after, others=others)

    def _state(
        self, alias: AliasRef, *, model_of: Bundle, features_of: Bundle, others: Sequence[str] = ()
    ) -> State:
        problems, shifts = [*others], list[str]()
        try:
            problems += self._judge.unfit(model_of, alias=alias, features_of=features_of)
            shifts += self._judge.reads_on(model_of, alias=alias, features_of=features_of)
        except TrilockError as error:
            problems.append(str(error))
        return State(
            model_of=model_of.ref,
            features_of=features_of.ref,
            fits=not problems,
            same_meaning=not shifts,
            why=next(iter([*problems, *shifts]), ""),
        )
