"""Have the one project hold the features of what is about to go live, before it does.

What has led, and why it is safe, is `store/leading.py`'s and the planner's to know: here it
only becomes a fact, in one transaction. Taken back, the plane is driven anew, to what is live.
"""

from typing import ClassVar

from sqlmodel import Session

from trilock.server.checks.drift import FEATURE_MIRROR
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Json, JsonValue, Operation
from trilock.server.store.leading import LEADS
from trilock.server.store.plane_states import set_behind


class LeadFeatures:
    """Implements LocalStep. Args: alias, bundle."""

    name: ClassVar[str] = LEADS
    pivot: ClassVar[bool] = False

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        """Do nothing more: that this step is done is what whoever drives the project looks for."""
        del session, operation
        return args["bundle"]

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        """Have the features of what is live come back, by convergence."""
        del operation, result
        set_behind(session, AliasRef.parse(args["alias"]), planes=[FEATURE_MIRROR])
