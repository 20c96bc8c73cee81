"""How two feature schemas differ for those who read them.

A mode is direction x history. In the direction *backward* a model of the new
features reads the old ones, *forward* a model of the old features reads the new.
Features have no default value, so for either reader a column that is not there
is a break; in Avro's words, every field is required.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trilock.compat.feast_types import (
    ArrayType,
    FeatureType,
    Scalar,
    ScalarType,
    SetType,
    StructType,
)
from trilock.compat.features import Feature, FeatureSet
from trilock.compat.frame import Column, Frame, build_frame
from trilock.compat.policy import Policy
from trilock.compat.rule import Context
from trilock.compat.subject import Predecessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One direction against one predecessor."""

    reader_name: str
    reader: Frame
    """What the reading side's model was made for."""
    writer_name: str
    writer: Frame
    """What it would get."""


def compared(context: Context) -> tuple[Predecessor, ...]:
    """Return the predecessors that the policy's mode compares with."""
    mode = context.policy.mode
    if not (mode.backward or mode.forward):
        return ()
    return context.predecessors if mode.transitive else context.predecessors[:1]


def comparisons(context: Context) -> Iterator[Comparison]:
    """Yield every comparison that the policy's mode asks for."""
    mode, subject = context.policy.mode, context.subject
    for predecessor in compared(context):
        before = _frame(predecessor.subject.features, policy=context.policy)
        if mode.backward:
            yield Comparison(
                reader_name=subject.name,
                reader=context.frame,
                writer_name=predecessor.name,
                writer=before,
            )
        if mode.forward:
            yield Comparison(
                reader_name=predecessor.name,
                reader=before,
                writer_name=subject.name,
                writer=context.frame,
            )


_PROMOTIONS: Final[Mapping[Scalar, Scalar]] = {
    Scalar.INT32: Scalar.INT64,
    Scalar.FLOAT32: Scalar.FLOAT64,
}
"""Which narrower type a reader of a wider one can read, on every serving path."""


def readable(writer: Column, *, reader: Column) -> bool:
    """Return whether a model made for the column *reader* can read *writer*."""
    return writer.vector_length == reader.vector_length and _promotes(
        writer.type, reader=reader.type
    )


def _promotes(writer: FeatureType, *, reader: FeatureType) -> bool:
    match writer, reader:
        case ScalarType(narrow), ScalarType(wide):
            return narrow is wide or _PROMOTIONS.get(narrow) is wide
        case (ArrayType(one), ArrayType(other)) | (SetType(one), SetType(other)):
            return _promotes(one, reader=other)
        case StructType(some), StructType(others):
            # MLflow refuses a dict with a key too many as well as with one too few.
            have, want = dict(some), dict(others)
            return have.keys() == want.keys() and all(
                _promotes(type_, reader=want[name]) for name, type_ in have.items()
            )
        case _:
            return writer == reader


@dataclass(frozen=True, slots=True, kw_only=True)
class MeaningChange:
    """A feature that looks the same and is made in another way."""

    column: str
    ref: str
    what: str
    """The objects that differ, or how it is joined."""


def changed_meanings(
    before: FeatureSet, now: FeatureSet, *, policy: Policy
) -> Iterator[MeaningChange]:
    """Yield every feature that *before* and *now* both have, made differently."""
    old = {column_name(feature, policy=policy): feature for feature in before.features}
    for feature in now.features:
        column = column_name(feature, policy=policy)
        was = old.get(column)
        if was is None or was.type != feature.type or was.semantics == feature.semantics:
            continue
        differing = [
            key
            for key in sorted({*was.made_by, *feature.made_by})
            if before.semantics.get(key) != now.semantics.get(key)
        ]
        what = ", ".join(differing) or "its join keys are mapped to others"
        yield MeaningChange(column=column, ref=feature.ref, what=what)


def column_name(feature: Feature, *, policy: Policy) -> str:
    """Return the name of the column in which *feature* is handed to a model."""
    return f"{feature.view}__{feature.name}" if policy.full_feature_names else feature.name


def _frame(features: FeatureSet, *, policy: Policy) -> Frame:
    return build_frame(
        features,
        path=policy.serving_path,
        may_be_missing=policy.may_be_missing(features),
        full_feature_names=policy.full_feature_names,
    )
