"""What MLflow does with a frame where the signature has tensors.

With names, each column becomes one tensor, and its values are cast without a
look. Without a name, the whole frame becomes one tensor: the columns are then
told apart by nothing but their order.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Final

from trilock.compat.conversion import Outcome
from trilock.compat.frame import Batch, Column, Leaf, ListCell, ServingPath, UnknownCell
from trilock.compat.signature import TensorSpec

_WIDER: Final = {
    "int32": {"int64", "float64"},
    "float32": {"float64"},
    "bool": {"int32", "int64", "float32", "float64"},
}
"""Casts that lose nothing. Not int64 to float64, which rounds above 2**53."""

_SCALAR_SHAPES: Final = frozenset({(-1,), (-1, 1)})
_NO_SCALARS: Final = frozenset({Leaf.AWARE_TIME, Leaf.NAIVE_TIME, Leaf.UUID, Leaf.MAP, Leaf.PAIRS})
_NUMBERS: Final = frozenset({"bool", "int32", "int64", "float32", "float64"})


def column_outcome(column: Column, *, spec: TensorSpec, batch: Batch) -> Outcome:
    """Return what MLflow does with one column that becomes a tensor by itself."""
    first, *rest = spec.shape or (0,)
    if first != -1 or -1 in rest:
        return Outcome.REFUSED
    cell = column.cell
    if isinstance(cell, UnknownCell):
        return Outcome.UNKNOWN
    if cell is Leaf.JSON or (batch is Batch.FULL and _is_nested_array(column)):
        return Outcome.DEPENDS
    if isinstance(cell, Leaf) and cell not in _NO_SCALARS:
        return _scalars(column, spec=spec, batch=batch)
    if isinstance(cell, ListCell) and isinstance(cell.item, Leaf):
        return _lists(column, item=cell.item, spec=spec, batch=batch)
    return Outcome.REFUSED


def frame_outcome(columns: Sequence[Column], *, spec: TensorSpec) -> tuple[Outcome, str]:
    """Return what MLflow does with a frame of several columns that becomes one tensor.

    Returns:
        The outcome over all batches that can occur, and the worst frame's dtype.
    """
    if spec.shape != (-1, len(columns)):
        return Outcome.REFUSED, f"{len(columns)} columns"
    # Columns of one kind may be in different states, but a mixture of a kind's own
    # dtypes has the dtype of one of them, so it is enough to choose once per kind.
    kinds = {column.dtypes() for column in columns}
    dtypes = {_common(set(chosen)) for chosen in product(*kinds)} if len(kinds) <= _FEW else set()
    wrong = sorted(dtypes - {spec.dtype})
    if wrong or not dtypes:
        return Outcome.REFUSED, wrong[0] if wrong else "many types"
    return Outcome.ACCEPTED, spec.dtype


_FEW: Final = 8
"""Distinct sets of dtypes a frame can sensibly mix; there are no more of numbers."""


def _common(dtypes: set[str]) -> str:
    """Return the dtype of `DataFrame.to_numpy()`."""
    if len(dtypes) == 1:
        (dtype,) = dtypes
        return "object" if dtype.startswith("object") else dtype
    numbers = dtypes & (_NUMBERS - {"bool"})
    if dtypes != numbers:
        return "object"
    if dtypes <= {"int32", "int64"}:
        return "int64"
    return "float64"


def _scalars(column: Column, *, spec: TensorSpec, batch: Batch) -> Outcome:
    if spec.shape not in _SCALAR_SHAPES:
        return Outcome.REFUSED
    dtype = column.dtype(batch)
    if dtype == "object[None]":
        return Outcome.REFUSED
    if dtype.endswith("+None]"):
        # MLflow looks at the first row only, and takes None for something strange.
        return Outcome.DEPENDS
    return _cast(column.cell, dtype=dtype, target=spec.dtype)


def _cast(cell: object, *, dtype: str, target: str) -> Outcome:
    if target in {"object", dtype} | _WIDER.get(dtype, set()):
        return Outcome.ACCEPTED
    if (cell, target) in {(Leaf.TEXT, "str"), (Leaf.BYTES, "bytes")}:
        return Outcome.ACCEPTED
    return Outcome.UNCHECKED if dtype in _NUMBERS else Outcome.DEPENDS


def _is_nested_array(column: Column) -> bool:
    # Whatever is in arrays of arrays is stacked, and fits if the sizes happen to.
    if column.path is not ServingPath.HISTORICAL:
        return False
    cell = column.cell
    return cell is Leaf.PAIRS or (isinstance(cell, ListCell) and not isinstance(cell.item, Leaf))


def _lists(column: Column, *, item: Leaf, spec: TensorSpec, batch: Batch) -> Outcome:
    if batch is not Batch.FULL:
        return Outcome.REFUSED
    if column.vector_length is None:
        return Outcome.DEPENDS
    if column.vector_length != prod(spec.shape[1:]):
        return Outcome.REFUSED
    if column.path is ServingPath.HISTORICAL:
        # Arrays have a type of their own, which MLflow neither casts nor looks at.
        return Outcome.ACCEPTED if item.value == spec.dtype else Outcome.UNCHECKED
    return _cast(item, dtype=item.value, target=spec.dtype)
