"""Feast's type system: what one value of a feature is.

A type comes from three places of a field's proto at once: `value_type`, and for
structs and nested collections a tag, since `value_type` alone says only "struct"
or "list of something" (research/feast.md, section 5). What cannot be told is an
`UnknownType` with the reason; nothing is ever guessed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final

STRUCT_TAG: Final = "feast:struct_schema"
NESTED_TAG: Final = "feast:nested_inner_type"
TYPE_TAGS: Final = frozenset({STRUCT_TAG, NESTED_TAG})
"""Tags that are part of the type; all other tags are documentation."""

_MAX_DEPTH: Final = 32


@unique
class Scalar(StrEnum):
    """Feast's primitive types, as Feast spells them in Python."""

    BYTES = "Bytes"
    STRING = "String"
    INT32 = "Int32"
    INT64 = "Int64"
    FLOAT32 = "Float32"
    FLOAT64 = "Float64"
    BOOL = "Bool"
    UNIX_TIMESTAMP = "UnixTimestamp"
    PDF_BYTES = "PdfBytes"
    IMAGE_BYTES = "ImageBytes"
    MAP = "Map"
    JSON = "Json"
    UUID = "Uuid"
    TIME_UUID = "TimeUuid"
    DECIMAL = "Decimal"
    SCALAR_MAP = "ScalarMap"
    ZONED_TIMESTAMP = "ZonedTimestamp"


@dataclass(frozen=True, slots=True)
class ScalarType:
    """One value."""

    scalar: Scalar

    def __str__(self) -> str:
        """Return the type as Feast spells it."""
        return self.scalar.value


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list of values."""

    item: "FeatureType"

    def __str__(self) -> str:
        """Return the type as Feast spells it."""
        return f"Array({self.item})"


@dataclass(frozen=True, slots=True)
class SetType:
    """A set of values."""

    item: "FeatureType"

    def __str__(self) -> str:
        """Return the type as Feast spells it."""
        return f"Set({self.item})"


@dataclass(frozen=True, slots=True)
class StructType:
    """Named values; sorted by name, because Feast compares them without order."""

    fields: tuple[tuple[str, "FeatureType"], ...]

    def __str__(self) -> str:
        """Return the type as Feast spells it."""
        return f"Struct({{{', '.join(f'{name}: {type_}' for name, type_ in self.fields)}}})"


@dataclass(frozen=True, slots=True)
class UnknownType:
    """A type that this version of compat cannot tell."""

    reason: str

    def __str__(self) -> str:
        """Return the type as Feast spells it."""
        return f"unknown ({self.reason})"


FeatureType = ScalarType | ArrayType | SetType | StructType | UnknownType

# feast/types/Value.proto; 30 and 31 are in Feast's Python only.
_SCALARS: Final[Mapping[int, Scalar]] = {
    1: Scalar.BYTES,
    2: Scalar.STRING,
    3: Scalar.INT32,
    4: Scalar.INT64,
    5: Scalar.FLOAT64,
    6: Scalar.FLOAT32,
    7: Scalar.BOOL,
    8: Scalar.UNIX_TIMESTAMP,
    20: Scalar.MAP,
    30: Scalar.PDF_BYTES,
    31: Scalar.IMAGE_BYTES,
    32: Scalar.JSON,
    36: Scalar.UUID,
    37: Scalar.TIME_UUID,
    44: Scalar.DECIMAL,
    47: Scalar.SCALAR_MAP,
    48: Scalar.ZONED_TIMESTAMP,
}
_ARRAYS: Final[Mapping[int, Scalar]] = {
    11: Scalar.BYTES,
    12: Scalar.STRING,
    13: Scalar.INT32,
    14: Scalar.INT64,
    15: Scalar.FLOAT64,
    16: Scalar.FLOAT32,
    17: Scalar.BOOL,
    18: Scalar.UNIX_TIMESTAMP,
    21: Scalar.MAP,
    33: Scalar.JSON,
    38: Scalar.UUID,
    39: Scalar.TIME_UUID,
    45: Scalar.DECIMAL,
}
_SETS: Final[Mapping[int, Scalar]] = {
    22: Scalar.BYTES,
    23: Scalar.STRING,
    24: Scalar.INT32,
    25: Scalar.INT64,
    26: Scalar.FLOAT64,
    27: Scalar.FLOAT32,
    28: Scalar.BOOL,
    29: Scalar.UNIX_TIMESTAMP,
    40: Scalar.UUID,
    41: Scalar.TIME_UUID,
    46: Scalar.DECIMAL,
}
_PLAIN: Final[Mapping[int, FeatureType]] = {
    **{number: ScalarType(scalar) for number, scalar in _SCALARS.items()},
    **{number: ArrayType(ScalarType(scalar)) for number, scalar in _ARRAYS.items()},
    **{number: SetType(ScalarType(scalar)) for number, scalar in _SETS.items()},
}
_STRUCT: Final = 34
_STRUCT_LIST: Final = 35
_VALUE_LIST: Final = 42
_VALUE_SET: Final = 43

_COLLECTION: Final = re.compile(r"(Array|Set)\((.*)\)", re.DOTALL)


def feature_type(value_type: object, *, tags: Mapping[str, Any]) -> FeatureType:
    """Return the type that a field's proto declares.

    Args:
        value_type: The number in the proto; None where the proto has none.
        tags: The field's tags, which hold the types of structs and nested collections.

    Returns:
        The type; an `UnknownType` inside it where it cannot be told.
    """
    if not isinstance(value_type, int) or isinstance(value_type, bool):
        return UnknownType("the field declares no type")
    if value_type in _PLAIN:
        return _PLAIN[value_type]
    if value_type in {_STRUCT, _STRUCT_LIST}:
        struct = _struct_schema(tags.get(STRUCT_TAG))
        return struct if value_type == _STRUCT else ArrayType(struct)
    if value_type in {_VALUE_LIST, _VALUE_SET}:
        return _nested_collection(value_type, text=tags.get(NESTED_TAG))
    return UnknownType(f"Feast's type number {value_type} is not known")


def has_unknown(type_: FeatureType) -> bool:
    """Return whether any part of *type_* is an `UnknownType`."""
    match type_:
        case UnknownType():
            return True
        case ScalarType():
            return False
        case ArrayType(item) | SetType(item):
            return has_unknown(item)
        case StructType(fields):
            return any(has_unknown(field) for _, field in fields)


def type_form(type_: FeatureType) -> Any:  # noqa: ANN401 - any JSON value
    """Return *type_* as JSON: unambiguous, whatever characters field names have."""
    match type_:
        case ArrayType(item):
            return {"array": type_form(item)}
        case SetType(item):
            return {"set": type_form(item)}
        case StructType(fields):
            return {"struct": {name: type_form(field) for name, field in fields}}
        case ScalarType() | UnknownType():
            return str(type_)


def _nested_collection(value_type: int, *, text: object) -> FeatureType:
    if not isinstance(text, str):
        return UnknownType("a nested collection without the types inside")
    type_ = _spelled(text, depth=0)
    outer = ArrayType if value_type == _VALUE_LIST else SetType
    if not isinstance(type_, outer):
        return UnknownType(f"a nested collection tagged {text!r}")
    return type_


def _struct_schema(text: object) -> FeatureType:
    if not isinstance(text, str):
        return UnknownType("a struct without the types of its fields")
    return _struct(_json(text), text=text, depth=0)


def _struct(schema: object, *, text: str, depth: int) -> FeatureType:
    if not isinstance(schema, dict) or not schema:
        return UnknownType(f"a struct tagged {text!r}")
    return StructType(
        tuple(sorted((name, _spelled(field, depth=depth + 1)) for name, field in schema.items()))
    )


def _spelled(text: object, *, depth: int) -> FeatureType:
    """Return the type that Feast wrote into a tag as *text*."""
    if not isinstance(text, str) or depth > _MAX_DEPTH:
        return UnknownType("a type nested too deeply, or not written as text")
    if found := _COLLECTION.fullmatch(text):
        item = _spelled(found[2], depth=depth + 1)
        return ArrayType(item) if found[1] == "Array" else SetType(item)
    if text.startswith("{"):
        wrapped = _json(text)
        inner = wrapped.get("__struct__") if isinstance(wrapped, dict) else None
        return _struct(inner, text=text, depth=depth)
    if text in Scalar.__members__:
        return ScalarType(Scalar[text])
    return UnknownType(f"Feast's type {text!r} is not known")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
