"""The conversion matrix is the one that was measured, cell by cell.

The literal tables come from research: `staticok.py`, 136 cells, no mismatch.
tests/compat/test_mlflow_truth.py asks MLflow itself.
"""

import pytest

from trilock.compat.conversion import MATRIX, Outcome
from trilock.compat.signature import ModelScalar

ACCEPT = {
    "boolean": {"bool"},
    "integer": {"int8", "int16", "int32", "uint8", "uint16"},
    "long": {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"},
    "float": {"float16", "float32"},
    "double": {
        *("int8", "int16", "int32", "uint8", "uint16", "uint32"),
        *("float16", "float32", "float64"),
    },
    "string": {"string"},
    "binary": {"string"},
    "datetime": {"datetime64"},
}
DATA_DEPENDENT = {("float", "int64"), ("double", "int64")}
COLUMNS = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "string", "datetime64", "datetime64[UTC]"),
]


@pytest.mark.parametrize("scalar", ModelScalar)
@pytest.mark.parametrize("column", COLUMNS)
def test_cell(column: str, scalar: ModelScalar) -> None:
    outcome = MATRIX[column][scalar]

    if (scalar, column) in DATA_DEPENDENT:
        assert outcome is Outcome.DEPENDS
    else:
        taken = outcome in {Outcome.ACCEPTED, Outcome.UNCHECKED}
        assert taken == (column in ACCEPT[scalar])


def test_no_object_column_is_ever_a_number_for_certain_unless_decimal_or_empty() -> None:
    numbers = [ModelScalar.INTEGER, ModelScalar.LONG, ModelScalar.FLOAT, ModelScalar.DOUBLE]

    certain = {
        (column, scalar.value)
        for column, row in MATRIX.items()
        for scalar in numbers
        if column.startswith("object") and row[scalar] is Outcome.ACCEPTED
    }

    assert certain == {
        ("object[None]", "double"),
        ("object[Decimal]", "double"),
        ("object[Decimal+None]", "double"),
    }
