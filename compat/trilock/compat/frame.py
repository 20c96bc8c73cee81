"""What a model is handed: the columns of the frame that a serving path makes.

The two paths of Feast differ. `get_online_features(...).to_df()` goes through
Python values, so it widens Int32 and Float32, and gives UUIDs, decimals and
parsed JSON as such; `get_historical_features(...).to_df()` passes the columns of
the source on. And a row that is missing changes the type of a whole column: ints
become float64, booleans object. All of it was measured with Feast 0.67
(research/mlflow_dvc.md, section 2); tests/compat measures it again.

Historical columns are taken to be of the types that the view declares: Feast
does not convert a source that holds others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from trilock.compat.feast_types import (
    ArrayType,
    FeatureType,
    Scalar,
    ScalarType,
    SetType,
    StructType,
    UnknownType,
)
from trilock.compat.features import FeatureSet


@unique
class ServingPath(StrEnum):
    """How features get to the model."""

    ONLINE = "ONLINE"
    """`get_online_features(...).to_df()`."""
    HISTORICAL = "HISTORICAL"
    """`get_historical_features(...).to_df()`."""


@unique
class Leaf(StrEnum):
    """What one value is when it arrives, as Python or numpy sees it."""

    BOOL = "bool"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    TEXT = "str"
    BYTES = "bytes"
    AWARE_TIME = "datetime64[UTC]"
    NAIVE_TIME = "datetime64"
    UUID = "UUID"
    DECIMAL = "Decimal"
    JSON = "parsed JSON"
    MAP = "dict"
    PAIRS = "array of pairs"


@dataclass(frozen=True, slots=True)
class ListCell:
    """A list, or on the historical path an array."""

    item: "Cell"
    ragged: bool = False
    """Whether it is an array of arrays, which need not be of one length."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"list of {self.item}"


@dataclass(frozen=True, slots=True)
class SetCell:
    """A Python set, which MLflow takes for no list."""

    item: "Cell"

    def __str__(self) -> str:
        """Return it in words."""
        return f"set of {self.item}"


@dataclass(frozen=True, slots=True)
class RecordCell:
    """A dict with known keys."""

    fields: tuple[tuple[str, "Cell"], ...]

    def __str__(self) -> str:
        """Return it in words."""
        return f"dict of {', '.join(f'{name}: {cell}' for name, cell in self.fields)}"


@dataclass(frozen=True, slots=True)
class UnknownCell:
    """Nobody can tell."""

    reason: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"unknown ({self.reason})"


Cell = Leaf | ListCell | SetCell | RecordCell | UnknownCell


@unique
class Batch(StrEnum):
    """How many rows of a batch are there."""

    FULL = "every row"
    PARTIAL = "some rows"
    EMPTY = "no row"


_ALL_BATCHES: Final = tuple(Batch)
_FULL_ONLY: Final = (Batch.FULL,)


@unique
class Origin(StrEnum):
    """Where a column comes from."""

    FEATURE = "feature"
    JOIN_KEY = "join key"
    REQUEST_FIELD = "request field"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column that the model can read."""

    name: str
    origin: Origin
    ref: str
    """For a feature `view:name`, else the name."""
    type: FeatureType
    """As Feast declares it."""
    cell: Cell
    """What a value in it is when it is there."""
    vector_length: int | None
    batches: tuple[Batch, ...]
    """Which batches can occur, FULL first: FULL only, if a row is never missing."""
    path: ServingPath
    plain_python: bool = False
    """Made by a transformation of plain Python values: a column of nothing has no dtype."""

    def dtype(self, batch: Batch) -> str:
        """Return the pandas column in *batch*, in the words of the conversion matrix."""
        if batch is Batch.EMPTY and self.plain_python:
            return "object[None]"
        return _dtype(self.cell, batch=batch, path=self.path)

    def dtypes(self) -> tuple[str, ...]:
        """Return the distinct pandas columns that can occur, a full batch first."""
        return tuple(dict.fromkeys(self.dtype(batch) for batch in self.batches))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All columns, by name; where two have the same name, the first, and `collisions` says so."""

    columns: Mapping[str, Column]
    collisions: Mapping[str, tuple[str, ...]]
    """Per column name that several features claim, their references."""


def build_frame(
    features: FeatureSet,
    *,
    path: ServingPath,
    may_be_missing: frozenset[str],
    full_feature_names: bool,
) -> Frame:
    """Return the frame that *path* makes of *features*.

    Args:
        features: What the feature service delivers.
        path: How it gets to the model.
        may_be_missing: References of the features that a row can be missing of.
        full_feature_names: Whether columns are called `view__name`.
    """
    claims: dict[str, list[Column]] = {}
    for column in _columns(
        features, path=path, may_be_missing=may_be_missing, full_names=full_feature_names
    ):
        claims.setdefault(column.name, []).append(column)
    return Frame(
        columns={name: columns[0] for name, columns in claims.items()},
        collisions={
            name: refs
            for name, columns in claims.items()
            if len(refs := tuple(c.ref for c in columns if c.origin is Origin.FEATURE)) > 1
        },
    )


def _columns(
    features: FeatureSet, *, path: ServingPath, may_be_missing: frozenset[str], full_names: bool
) -> Iterator[Column]:
    for feature in features.features:
        gaps = feature.ref in may_be_missing
        yield Column(
            name=f"{feature.view}__{feature.name}" if full_names else feature.name,
            origin=Origin.FEATURE,
            ref=feature.ref,
            type=feature.type,
            cell=delivered(feature.type, path=path),
            vector_length=feature.vector_length,
            batches=_ALL_BATCHES if gaps else _FULL_ONLY,
            path=path,
            plain_python=feature.plain_python,
        )
    for origin, inputs in (
        (Origin.JOIN_KEY, features.join_keys),
        (Origin.REQUEST_FIELD, features.request_fields),
    ):
        for item in inputs:
            yield Column(
                name=item.name,
                origin=origin,
                ref=item.name,
                type=item.type,
                cell=delivered(item.type, path=path),
                vector_length=None,
                batches=_FULL_ONLY,
                path=path,
            )


_TEXTS: Final = frozenset(
    {Scalar.STRING, Scalar.UUID, Scalar.TIME_UUID, Scalar.DECIMAL, Scalar.JSON}
)
_HISTORICAL: Final[Mapping[Scalar, Leaf]] = {
    Scalar.BYTES: Leaf.BYTES,
    Scalar.PDF_BYTES: Leaf.BYTES,
    Scalar.IMAGE_BYTES: Leaf.BYTES,
    **dict.fromkeys(_TEXTS, Leaf.TEXT),
    Scalar.INT32: Leaf.INT32,
    Scalar.INT64: Leaf.INT64,
    Scalar.FLOAT32: Leaf.FLOAT32,
    Scalar.FLOAT64: Leaf.FLOAT64,
    Scalar.BOOL: Leaf.BOOL,
    Scalar.UNIX_TIMESTAMP: Leaf.AWARE_TIME,
    Scalar.ZONED_TIMESTAMP: Leaf.AWARE_TIME,
    Scalar.MAP: Leaf.PAIRS,
    Scalar.SCALAR_MAP: Leaf.PAIRS,
}
_ONLINE: Final[Mapping[Scalar, Leaf]] = {
    **_HISTORICAL,
    Scalar.INT32: Leaf.INT64,
    Scalar.FLOAT32: Leaf.FLOAT64,
    Scalar.UUID: Leaf.UUID,
    Scalar.TIME_UUID: Leaf.UUID,
    Scalar.DECIMAL: Leaf.DECIMAL,
    Scalar.JSON: Leaf.JSON,
    Scalar.MAP: Leaf.MAP,
}


_NEVER_FED: Final = frozenset(
    {
        ScalarType(Scalar.SCALAR_MAP),
        ScalarType(Scalar.ZONED_TIMESTAMP),
        ArrayType(ScalarType(Scalar.MAP)),
    }
)
"""Feast 0.67 raises a TypeError when such values are materialized or pushed, so nobody has seen
what comes out."""


def delivered(  # noqa: PLR0911 - one line per case of a table
    type_: FeatureType, *, path: ServingPath
) -> Cell:
    """Return what one value of *type_* is when it comes out of *path*."""
    match type_:
        case _ if path is ServingPath.ONLINE and type_ in _NEVER_FED:
            return UnknownCell(f"Feast puts no value of type {type_} into an online store")
        case ScalarType(scalar):
            return (_ONLINE if path is ServingPath.ONLINE else _HISTORICAL)[scalar]
        case ArrayType(item) if path is ServingPath.ONLINE:
            return ListCell(delivered(item, path=path))
        case SetType(item) if path is ServingPath.ONLINE:
            # A set of lists would not be hashable, so Feast makes it a list.
            cell = delivered(item, path=path)
            return ListCell(cell) if isinstance(item, ArrayType | SetType) else SetCell(cell)
        case ArrayType(item) | SetType(item):
            cell = _in_array(delivered(item, path=path))
            return ListCell(cell, ragged=isinstance(cell, ListCell))
        case StructType(fields):
            return RecordCell(tuple((name, _in_dict(field, path=path)) for name, field in fields))
        case UnknownType(reason):
            return UnknownCell(reason)


def _in_array(cell: Cell) -> Cell:
    # numpy has no time zones: in an array, times are naive.
    return Leaf.NAIVE_TIME if cell is Leaf.AWARE_TIME else cell


def _in_dict(type_: FeatureType, *, path: ServingPath) -> Cell:
    # Arrow makes Python values of a struct's fields, which widens them.
    cell = delivered(type_, path=path)
    match cell:
        case Leaf.INT32:
            return Leaf.INT64
        case Leaf.FLOAT32:
            return Leaf.FLOAT64
        case _:
            return cell


_NUMERIC: Final = frozenset({Leaf.INT32, Leaf.INT64, Leaf.FLOAT32, Leaf.FLOAT64})
_OWN_DTYPE: Final = _NUMERIC | {Leaf.BOOL, Leaf.AWARE_TIME, Leaf.NAIVE_TIME}


def _dtype(cell: Cell, *, batch: Batch, path: ServingPath) -> str:
    if batch is Batch.EMPTY and path is ServingPath.ONLINE:
        return "object[None]"
    if isinstance(cell, Leaf) and cell in _OWN_DTYPE:
        if batch is Batch.FULL or cell is Leaf.AWARE_TIME or cell is Leaf.NAIVE_TIME:
            return cell.value
        if cell in _NUMERIC:
            return Leaf.FLOAT32.value if cell is Leaf.FLOAT32 else Leaf.FLOAT64.value
    if batch is Batch.EMPTY:
        return "object[None]"
    return object_dtype(cell, gaps=batch is Batch.PARTIAL)


def object_dtype(cell: Cell, *, gaps: bool = False) -> str:
    """Return a column of Python objects in the words of the conversion matrix."""
    return f"object[{_kind(cell)}{'+None' if gaps else ''}]"


def _kind(cell: Cell) -> str:
    match cell:
        case Leaf():
            return cell.value
        case ListCell():
            return "list"
        case SetCell():
            return "set"
        case RecordCell():
            return "dict"
        case UnknownCell():
            return "unknown"
