"""What MLflow accepts: its schema enforcement as a table, measured on 3.17.

`mlflow.models.validate_schema` is the oracle; tests/compat asks it for every cell
of the matrix (facts in research/mlflow_dvc.md, section 2).
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum, unique
from types import MappingProxyType
from typing import Final

from trilock.compat.frame import (
    Cell,
    Leaf,
    ListCell,
    RecordCell,
    UnknownCell,
    object_dtype,
)
from trilock.compat.signature import (
    AnyType,
    ModelArray,
    ModelMap,
    ModelObject,
    ModelScalar,
    ModelType,
    SparkVector,
)


@unique
class Outcome(IntEnum):
    """What happens to a column, best first; the worst of several wins."""

    ACCEPTED = 0
    UNCHECKED = 1
    """MLflow lets it through without a look, and the model gets what it does not expect."""
    DEPENDS = 2
    """Accepted or refused by the values of the batch."""
    UNKNOWN = 3
    """The type of the feature is not known."""
    REFUSED = 4


_ORDER: Final = tuple(ModelScalar)
_SYMBOLS: Final = {
    "ok": Outcome.ACCEPTED,
    "!": Outcome.UNCHECKED,
    "?": Outcome.DEPENDS,
    "-": Outcome.REFUSED,
}

# One row per pandas column, one column per MLflow scalar:
#                             boolean integer long    float   double  string  binary  datetime
_TABLE: Final = """
bool                          ok      -       -       -       -       -       -       -
int8                          -       ok      ok      -       ok      -       -       -
int16                         -       ok      ok      -       ok      -       -       -
int32                         -       ok      ok      -       ok      -       -       -
int64                         -       -       ok      ?       ?       -       -       -
uint8                         -       ok      ok      -       ok      -       -       -
uint16                        -       ok      ok      -       ok      -       -       -
uint32                        -       -       ok      -       ok      -       -       -
uint64                        -       -       -       -       -       -       -       -
float16                       -       -       -       ok      ok      -       -       -
float32                       -       -       -       ok      ok      -       -       -
float64                       -       -       -       -       ok      -       -       -
string                        -       -       -       -       -       ok      !       -
datetime64                    -       -       -       -       -       -       -       ok
datetime64[UTC]               -       -       -       -       -       -       -       -
object[None]                  ok      -       -       -       ok      ok      ok      ok
object[bool+None]             ok      -       -       -       !       !       !       -
object[str]                   !       -       -       -       ?       ok      !       ?
object[str+None]              !       -       -       -       ?       ok      !       ?
object[bytes]                 !       -       -       -       ?       !       ok      -
object[bytes+None]            !       -       -       -       ?       !       ok      -
object[UUID]                  !       -       -       -       -       !       !       -
object[UUID+None]             !       -       -       -       -       !       !       -
object[Decimal]               !       -       -       -       ok      !       !       -
object[Decimal+None]          !       -       -       -       ok      !       !       -
object[list]                  !       -       -       -       ?       !       !       -
object[list+None]             !       -       -       -       ?       !       !       -
object[set]                   !       -       -       -       ?       !       !       -
object[set+None]              !       -       -       -       ?       !       !       -
object[dict]                  !       -       -       -       ?       !       !       -
object[dict+None]             !       -       -       -       ?       !       !       -
object[array of pairs]        !       -       -       -       ?       !       !       -
object[array of pairs+None]   !       -       -       -       ?       !       !       -
object[parsed JSON]           ?       -       ?       ?       ?       ?       ?       ?
object[parsed JSON+None]      ?       -       -       -       ?       ?       ?       ?
"""


def _parsed(table: str) -> Mapping[str, Mapping[ModelScalar, Outcome]]:
    rows: dict[str, Mapping[ModelScalar, Outcome]] = {}
    for line in table.strip().splitlines():
        words = line.split()
        dtype, symbols = " ".join(words[: -len(_ORDER)]), words[-len(_ORDER) :]
        outcomes = (_SYMBOLS[symbol] for symbol in symbols)
        rows[dtype] = MappingProxyType(dict(zip(_ORDER, outcomes, strict=True)))
    return MappingProxyType(rows)


MATRIX: Final = _parsed(_TABLE)
"""Outcome per pandas column and MLflow scalar."""


def scalar_outcome(dtype: str, *, type_: ModelScalar) -> Outcome:
    """Return what MLflow does with a pandas column *dtype* where it expects *type_*."""
    row = MATRIX.get(dtype)
    return Outcome.UNKNOWN if row is None else row[type_]


def cell_outcome(  # noqa: PLR0911 - one line per case of a table
    cell: Cell, *, type_: ModelType, required: bool
) -> Outcome:
    """Return what MLflow does with the values *cell* where it expects a complex *type_*."""
    match type_, cell:
        case AnyType(), _:
            return Outcome.ACCEPTED
        case _, UnknownCell():
            return Outcome.UNKNOWN
        case (_, Leaf.JSON) | (ModelArray(), Leaf.PAIRS):
            return Outcome.DEPENDS
        case ModelArray() | SparkVector(), ListCell():
            items = ModelScalar.DOUBLE if isinstance(type_, SparkVector) else type_.items
            return _array_outcome(cell, items=items, required=required)
        case ModelObject(), RecordCell():
            return _object_outcome(cell, type_=type_)
        case ModelObject(), Leaf.MAP:
            return Outcome.DEPENDS
        case ModelMap(values), RecordCell(fields):
            return worst(
                cell_outcome(field, type_=values, required=required) for _, field in fields
            )
        case ModelMap(), Leaf.MAP:
            # Its keys need not be texts, nor its values of one type.
            return Outcome.DEPENDS
        case ModelScalar(), Leaf():
            return _single_outcome(cell, type_=type_, required=required)
        case _:
            return Outcome.REFUSED


def missing_outcome(type_: ModelType, *, required: bool) -> Outcome:
    """Return what MLflow does with a missing value where it expects a complex *type_*."""
    match type_:
        case AnyType() | ModelArray(AnyType()) | ModelMap(AnyType()):
            return Outcome.ACCEPTED
        case _:
            return Outcome.REFUSED if required else Outcome.ACCEPTED


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of *outcomes*; ACCEPTED if there are none."""
    return max(outcomes, default=Outcome.ACCEPTED)


def _array_outcome(cell: ListCell, *, items: ModelType, required: bool) -> Outcome:
    if not isinstance(items, ModelScalar):
        inner = cell_outcome(cell.item, type_=items, required=required)
        # MLflow puts checked arrays back into one array, which fails if they differ in length.
        return _at_least_depends(inner) if cell.ragged else inner
    outcome = scalar_outcome(_series_dtype(cell.item), type_=items)
    # Containers are let through as objects, and then may not become an array.
    return outcome if isinstance(cell.item, Leaf) else _at_least_depends(outcome)


def _at_least_depends(outcome: Outcome) -> Outcome:
    return max(outcome, Outcome.DEPENDS)


def _object_outcome(cell: RecordCell, *, type_: ModelObject) -> Outcome:
    have = dict(cell.fields)
    wanted = {prop.name: prop for prop in type_.properties}
    if have.keys() - wanted.keys():
        return Outcome.REFUSED
    if any(prop.required and name not in have for name, prop in wanted.items()):
        return Outcome.REFUSED
    return worst(
        cell_outcome(inner, type_=wanted[name].type, required=wanted[name].required)
        for name, inner in have.items()
    )


_NOT_SCALAR: Final = frozenset({Leaf.AWARE_TIME, Leaf.NAIVE_TIME, Leaf.UUID, Leaf.MAP, Leaf.PAIRS})
"""What `numpy.isscalar` says no to."""


def _single_outcome(cell: Leaf, *, type_: ModelScalar, required: bool) -> Outcome:
    if cell in _NOT_SCALAR:
        return Outcome.REFUSED
    outcome = scalar_outcome(_series_dtype(cell), type_=type_)
    if outcome is Outcome.REFUSED and not required and cell in {Leaf.FLOAT32, Leaf.FLOAT64}:
        return Outcome.DEPENDS  # NaN counts as missing.
    return outcome


def _series_dtype(cell: Cell) -> str:
    """Return what `pandas.Series` makes of values of *cell*."""
    return cell.value if isinstance(cell, Leaf) and cell.value in MATRIX else object_dtype(cell)
