"""What is judged: a candidate tuple, those before it, and those beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trilock.compat.features import FeatureSet
from trilock.compat.policy import Policy
from trilock.compat.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What the model says about its own training. Hints: MLflow does not flag dirty trees."""

    trained_commit: str | None = None
    """`mlflow.source.git.commit`."""
    trained_service: str | None = None
    """`feast.feature_service`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A tuple of model, features and pipeline commit that belong together, or may not."""

    name: str
    """How findings call it, for example `models/delay/bundles/17`."""
    signature: Signature | None
    features: FeatureSet
    pipeline_revision: str | None = None
    lineage: Lineage = Lineage()
    columns: tuple[str, ...] | None = None
    """Which columns the serving layer hands over, in order, where it was recorded; a
    signature without names cannot be judged without."""
    sink_columns: Mapping[str, Mapping[str, str]] | None = field(default=None, hash=False)
    """For each sink the model writes to, the SQL type of each of its table's columns; None or
    empty if it writes to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A tuple that was live before."""

    name: str
    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Another live bundle, or rollback target, that reads features which a swap would touch."""

    name: str
    """For example `models/eta/bundles/4`."""
    signature: Signature | None
    recorded: FeatureSet
    """Its features as it was recorded with."""
    after: FeatureSet
    """Its features as they would be after the swap."""
    columns: tuple[str, ...] | None = None
    policy: Policy = field(default_factory=Policy)
    """How it is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """What another alias makes of features that the subject's readers share with it."""

    cause: str
    """What makes it so, for example `rolling back models/delay/releases/9, which soaks,`."""
    after: FeatureSet
    """The subject's features as they would be."""
