"""Frames as a serving path makes them, and MLflow's own verdict on them.

Importing this imports MLflow, which takes seconds: tests do so in a fixture.
"""

import datetime as dt
import decimal
import logging
import random
import uuid
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import validate_schema
from mlflow.types import Schema

from trilock.compat.frame import (
    Batch,
    Cell,
    Column,
    Leaf,
    ListCell,
    RecordCell,
    ServingPath,
    SetCell,
    UnknownCell,
)

logging.getLogger("mlflow").setLevel(logging.ERROR)

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def accepts(signature: str, frame: pd.DataFrame) -> bool:
    """Return whether MLflow takes *frame* for the inputs *signature*, a JSON text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            validate_schema(frame, Schema.from_json(signature))
        except Exception:  # noqa: BLE001 - MLflow refuses by whatever numpy or pandas raise
            return False
    return True


def frame_of(
    columns: Mapping[str, Column], *, batch: Batch, rng: random.Random, small: bool
) -> pd.DataFrame:
    """Return a frame of three rows, or one, as the serving path would make it.

    Args:
        columns: What the frame has.
        batch: How many rows are there.
        rng: Where values come from.
        small: Whether every int is 0 or 1, which MLflow treats specially.
    """
    rows = rng.choice([1, 3])
    return pd.DataFrame(
        {
            name: series_of(column, batch=batch, rows=rows, rng=rng, small=small)
            for name, column in columns.items()
        }
    )


def series_of(
    column: Column, *, batch: Batch, rows: int, rng: random.Random, small: bool
) -> "pd.Series[Any]":
    values = [value_of(column, column.cell, rng=rng, small=small) for _ in range(rows)]
    if batch is Batch.EMPTY:
        values = [None] * rows
    elif batch is Batch.PARTIAL:
        values = [None, *values]
        rng.shuffle(values)
    dtype = column.dtype(batch)
    if dtype == "datetime64[UTC]":
        return pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True))
    if column.cell is Leaf.JSON and batch is not Batch.EMPTY:
        return pd.Series(values)
    return pd.Series(values, dtype="object" if dtype.startswith("object") else dtype)


def value_of(column: Column, cell: Cell, *, rng: random.Random, small: bool) -> Any:
    """Return a random value of *cell*, in Python's or numpy's words as the path says."""
    match cell:
        case ListCell(item):
            size = column.vector_length or rng.choice([1, 2, 3])
            values = [value_of(column, item, rng=rng, small=small) for _ in range(size)]
            return values if column.path is ServingPath.ONLINE else array_of(values, item=item)
        case SetCell(item):
            return {value_of(column, item, rng=rng, small=small) for _ in range(2)}
        case RecordCell(fields):
            return {name: value_of(column, one, rng=rng, small=small) for name, one in fields}
        case Leaf():
            return leaf_value(cell, rng=rng, small=small)
        case UnknownCell():
            raise AssertionError(cell)


def array_of(values: Sequence[Any], *, item: Cell) -> Any:
    if isinstance(item, Leaf) and item.value in {"bool", "int32", "int64", "float32", "float64"}:
        return np.array(values, dtype=item.value)
    if item is Leaf.NAIVE_TIME:
        return np.array(values, dtype="datetime64[us]")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def leaf_value(leaf: Leaf, *, rng: random.Random, small: bool) -> Any:
    match leaf:
        case Leaf.BOOL:
            return rng.random() < 0.5
        case Leaf.INT32 | Leaf.INT64:
            return rng.choice([0, 1]) if small else rng.randint(-9, 99)
        case Leaf.FLOAT32 | Leaf.FLOAT64:
            return rng.choice([0.5, 1.0, -3.25, float("nan")])
        case _:
            return rng.choice(_OTHERS[leaf])


_OTHERS: Mapping[Leaf, Sequence[Any]] = {
    Leaf.TEXT: ["a", "17", "2024-01-01", "", "true"],
    Leaf.BYTES: [b"a", b"17"],
    Leaf.AWARE_TIME: [NOW],
    Leaf.NAIVE_TIME: [np.datetime64("2024-01-01T00:00:00", "us")],
    Leaf.UUID: [uuid.UUID(int=7)],
    Leaf.DECIMAL: [decimal.Decimal("1.5"), decimal.Decimal(2)],
    Leaf.JSON: [1, "a", {"a": 1}, [1, 2], 1.5, True],
    Leaf.MAP: [{"a": "x"}, {"a": 1, "b": [1]}, {}],
    Leaf.PAIRS: [np.array([("a", "x")], dtype=object)],
}


def series(values: list[Any], dtype: Any = None) -> "pd.Series[Any]":
    found: pd.Series[Any] = pd.Series(values, dtype=dtype)
    return found


def objects(*rows: list[Any]) -> list["pd.Series[Any]"]:
    return [series(row, "object") for row in rows]


INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
PAIRS = np.array([("a", "x")], dtype=object)
OBJECTS: Mapping[str, list["pd.Series[Any]"]] = {
    "str": objects(["a"], ["1"], ["2024-01-01"], ["true"]),
    "bytes": objects([b"a"], [b"1"], [b"2024-01-01"]),
    "UUID": objects([uuid.UUID(int=1)]),
    "Decimal": objects([decimal.Decimal("1.5")], [decimal.Decimal(1)]),
    "list": objects([[1, 2]], [["a"]], [[]], [np.array([1, 2])]),
    "set": objects([{1}], [set()]),
    "dict": objects([{"a": 1}], [{}]),
    "array of pairs": objects([PAIRS], [np.array([], dtype=object)]),
}
PARSED = ([5], [0, 1], ["a"], ["2024-01-01"], ["1"], [{"a": 1}], [[1]], [1.5], [True])


def samples() -> Mapping[str, Sequence["pd.Series[Any]"]]:
    """Return, per row of the conversion matrix, columns that show all that can happen."""
    naive = ["datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]"]
    aware = ["datetime64[us, UTC]", "datetime64[ns, UTC]"]
    found = {name: [series([2, 3, 5], name)] for name in INTS}
    found["int64"].append(series([0, 1], "int64"))
    for name in FLOATS:
        found[name] = [series(row, name) for row in ([1.5, np.nan], [0.0, 1.0], [np.nan])]
    found["bool"] = [series([True, False])]
    found["string"] = [series(["a", "b"], "string")]
    found["datetime64"] = [series([dt.datetime(2024, 1, 1)], one) for one in naive]  # noqa: DTZ001
    found["datetime64[UTC]"] = [series([NOW], one) for one in aware]
    found["object[None]"] = objects([None], [None, None])
    found["object[bool+None]"] = objects([True, None], [None, False])
    for kind, rows in OBJECTS.items():
        found[f"object[{kind}]"] = rows
        found[f"object[{kind}+None]"] = objects(*([*row, None] for row in rows))
    found["object[parsed JSON]"] = [series(row) for row in PARSED]
    found["object[parsed JSON+None]"] = [series([*row, None]) for row in PARSED]
    return found
