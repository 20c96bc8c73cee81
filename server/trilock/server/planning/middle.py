"""The states that readers pass through from one bundle to another, and which way to take.

Side by side there are two, before the switch and after it. In place model and features change
one after the other, and there is one in between: the new model on the old features, or the old
model on the new ones. A state in between is compatible only if the features fit the model *and*
mean what they meant when it was recorded.
"""

from dataclasses import dataclass
from enum import StrEnum

from trilock.server.domain.names import BundleRef


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What readers are served at one time, and whether that goes together."""

    model_of: BundleRef | None
    """The bundle whose model they are served; None for none."""
    features_of: BundleRef | None
    """The bundle whose features it reads."""
    fits: bool
    same_meaning: bool
    """Whether the features are made as those that the model was recorded with."""
    why: str = ""
    """What is wrong with it, in one line."""

    @property
    def compatible(self) -> bool:
        """Whether readers may be served it."""
        return self.fits and self.same_meaning


class Way(StrEnum):
    """In which order model and features change."""

    MODEL_FIRST = "MODEL_FIRST"
    FEATURES_FIRST = "FEATURES_FIRST"
    WINDOW = "WINDOW"
    """Neither order is compatible throughout: somebody has to accept a time that is not."""


def way(*, model_first: State, features_first: State) -> Way:
    """Return the order whose state in between is compatible; the model first if both are."""
    if model_first.compatible:
        return Way.MODEL_FIRST
    return Way.FEATURES_FIRST if features_first.compatible else Way.WINDOW
