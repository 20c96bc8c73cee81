"""What one model and alias asks of a check: values, decided by its owners.

The defaults suit side-by-side deployment, where each model has its own features:

* No evolution mode. A new model with new features is an ordinary release, and
  BACKWARD would refuse it, FORWARD every feature that is retired. Whoever swaps
  in place, or rolls back only one of the two, asks for a mode. Features that
  other bundles share are protected without one, by the CONSUMERS rules.
* ONLINE, since that is where models are served.
* A row MAY_BE_MISSING: nothing in Feast says that it cannot be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, Self

from trilock.compat.features import Feature, FeatureSet
from trilock.compat.frame import ServingPath
from trilock.compat.report import Severity, Waiver

Json = Mapping[str, Any]
"""A JSON object."""


@unique
class Mode(StrEnum):
    """How a feature schema may differ from its predecessors; Confluent's names.

    | mode | who keeps working | against |
    |---|---|---|
    | BACKWARD | the new model, on the old features | the last predecessor |
    | FORWARD | the old model, on the new features | the last predecessor |
    | FULL | both | the last predecessor |
    | .._TRANSITIVE | the same | every predecessor |
    | NONE | nobody | |
    """

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"

    @property
    def backward(self) -> bool:
        """Whether a model of the new features must work on the old ones."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether a model of the old features must work on the new ones."""
        return self.value.startswith(("FORWARD", "FULL"))

    @property
    def transitive(self) -> bool:
        """Whether every predecessor counts, and not the last one only."""
        return self.value.endswith("TRANSITIVE")


@unique
class NullPolicy(StrEnum):
    """Whether rows can be missing when a model is served."""

    MAY_BE_MISSING = "MAY_BE_MISSING"
    """An entity may have no row; whole columns change their type then."""
    NEVER_MISSING = "NEVER_MISSING"
    """Somebody vouches that every entity has its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to check one model and alias."""

    mode: Mode = Mode.NONE
    serving_path: ServingPath = ServingPath.ONLINE
    full_feature_names: bool = False
    """Whether the serving layer asks Feast for columns called `view__feature`."""
    null_policy: NullPolicy = NullPolicy.MAY_BE_MISSING
    nulls: Mapping[str, NullPolicy] = field(default_factory=dict, hash=False)
    """Exceptions from `null_policy`, by view (`weather`) or feature (`weather:temp`)."""
    severities: Mapping[str, Severity] = field(default_factory=dict, hash=False)
    """Other severities than the catalogue's, by rule id."""
    waivers: tuple[Waiver, ...] = ()

    def to_json(self) -> Json:
        """Return the policy as plain JSON."""
        return {
            "mode": str(self.mode),
            "serving_path": str(self.serving_path),
            "full_feature_names": self.full_feature_names,
            "null_policy": str(self.null_policy),
            "nulls": {path: str(nulls) for path, nulls in sorted(self.nulls.items())},
            "severities": {rule: str(one) for rule, one in sorted(self.severities.items())},
            "waivers": [waiver.to_json() for waiver in self.waivers],
        }

    @classmethod
    def from_json(cls, form: Json) -> Self:
        """Return the policy that `to_json` made *form* of."""
        return cls(
            mode=Mode(form["mode"]),
            serving_path=ServingPath(form["serving_path"]),
            full_feature_names=form["full_feature_names"],
            null_policy=NullPolicy(form["null_policy"]),
            nulls={path: NullPolicy(nulls) for path, nulls in form["nulls"].items()},
            severities={rule: Severity(one) for rule, one in form["severities"].items()},
            waivers=tuple(Waiver.from_json(waiver) for waiver in form["waivers"]),
        )

    def may_be_missing(self, features: FeatureSet) -> frozenset[str]:
        """Return the references of the features that rows can be missing of."""
        return frozenset(
            feature.ref
            for feature in features.features
            if feature.nullable and self._nulls_of(feature) is NullPolicy.MAY_BE_MISSING
        )

    def _nulls_of(self, feature: Feature) -> NullPolicy:
        by_view = self.nulls.get(feature.view, self.null_policy)
        return self.nulls.get(feature.ref, by_view)
