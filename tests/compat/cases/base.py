"""A case of a rule: one subject, and the paths that the rule must find in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.compat import raws
from tests.compat.raws import plain, projection, service, signature
from trilock.compat import (
    Consumer,
    FeatureSet,
    Lineage,
    NullPolicy,
    Policy,
    Predecessor,
    ServingPath,
    SharedState,
    Signature,
    Subject,
    parse_features,
)

TEMP = plain({"temp": "Float64"})
READS_TEMP = signature({"temp": "double"})
NEVER = Policy(null_policy=NullPolicy.NEVER_MISSING)
HISTORICAL = Policy(serving_path=ServingPath.HISTORICAL)
OLD = "models/delay/bundles/1"
NEW = "models/delay/bundles/2"
OTHER = "models/eta/bundles/4"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One subject, and the paths that the rule must find in it."""

    rule: str
    about: str
    paths: Sequence[str] = ()
    features: FeatureSet = TEMP
    signature: Signature | None = READS_TEMP
    policy: Policy = field(default_factory=Policy)
    columns: tuple[str, ...] | None = None
    lineage: Lineage = field(default_factory=Lineage)
    revision: str | None = None
    sinks: dict[str, str] | None = None
    other_sinks: dict[str, dict[str, str]] = field(default_factory=dict)
    before: Sequence[FeatureSet | tuple[FeatureSet, Signature]] = ()
    consumers: Sequence[Consumer] = ()
    shared: Sequence[FeatureSet] = ()

    def subject(self) -> Subject:
        return Subject(
            name=NEW,
            signature=self.signature,
            features=self.features,
            pipeline_revision=self.revision,
            lineage=self.lineage,
            columns=self.columns,
            sink_columns=(
                None if self.sinks is None else {"predictions": self.sinks, **self.other_sinks}
            ),
        )

    def predecessors(self) -> list[Predecessor]:
        """Newest first: OLD, then OLD-1 and so on."""
        found = []
        for index, entry in enumerate(self.before):
            features, sig = entry if isinstance(entry, tuple) else (entry, READS_TEMP)
            name = OLD if index == 0 else f"{OLD}-{index}"
            subject = Subject(name=name, signature=sig, features=features)
            found.append(Predecessor(name=name, subject=subject))
        return found

    def shared_states(self) -> list[SharedState]:
        cause = "rolling back models/eta/releases/9, which soaks,"
        return [SharedState(cause=cause, after=after) for after in self.shared]


def one(type_: str, **more: Any) -> FeatureSet:
    return plain({"x": type_}, **more)


def reads(type_: Any) -> Signature:
    return signature({"x": type_})


def consumer(after: FeatureSet, *, sig: Signature | None = READS_TEMP) -> Consumer:
    return Consumer(
        name=OTHER,
        signature=sig,
        recorded=plain({"temp": "Float64", "wind": "Float64"}),
        after=after,
    )


def unknown() -> FeatureSet:
    return parse_features([service(projection())], service="delay_v1")


def requested() -> FeatureSet:
    return plain({"temp": "Float64"}, request_fields={"distance": "Float64"})


def vector(length: int = 3, type_: str = "Array(Float32)") -> FeatureSet:
    spec = raws.field("x", type_, vector_index=True, vector_length=length)
    return plain([spec])


TODAY = date(2026, 2, 1)
