"""What compat says of MLflow is what MLflow does: `validate_schema` is the oracle.

The frames are those that tests/compat/test_feast_truth.py shows Feast to make.
"""

import importlib
import json
import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.compat.raws import field, plain
from trilock.compat import (
    NullPolicy,
    Policy,
    ServingPath,
    Severity,
    Subject,
    check,
    parse_signature,
)
from trilock.compat.conversion import MATRIX, Outcome
from trilock.compat.frame import Batch, Cell, Column, Frame, Leaf, ListCell, RecordCell, build_frame

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def world() -> Any:
    """Return tests.compat.mlflow_world, which takes seconds to import."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # Read at the first import only.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("tests.compat.mlflow_world")


def test_every_cell_of_the_matrix(world: Any) -> None:
    samples = world.samples()
    wrong = {}
    for dtype, row in MATRIX.items():
        for type_, outcome in row.items():
            signature = json.dumps([{"name": "x", "type": type_, "required": True}])
            accepted = [world.accepts(signature, one.to_frame("x")) for one in samples[dtype]]
            if set(accepted) != EXPECTED[outcome]:
                wrong[dtype, type_] = (outcome.name, accepted)

    assert samples.keys() == MATRIX.keys()
    assert wrong == {}


EXPECTED = {
    Outcome.ACCEPTED: {True},
    Outcome.UNCHECKED: {True},
    Outcome.DEPENDS: {True, False},
    Outcome.REFUSED: {False},
}

CASES = 5_000
ENOUGH = 1_500


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A signature and a frame, drawn together so that they meet often enough."""

    inputs: str
    frame: Frame
    compatible: bool
    rules: frozenset[str]


def test_no_wrong_yes_and_every_no_is_a_documented_rule(world: Any) -> None:
    rng = random.Random(20260101)  # noqa: S311 - the same cases in every run
    counts: Counter[bool] = Counter()
    wrong = []
    for drawn in draws(rng, count=CASES):
        verdicts = {
            batch: [
                world.accepts(
                    drawn.inputs,
                    world.frame_of(drawn.frame.columns, batch=batch, rng=rng, small=small),
                )
                for small in (False, True)
            ]
            for batch in batches(drawn.frame)
        }
        accepted = all(all(found) for found in verdicts.values())
        counts[accepted] += 1
        if contradicts(drawn, verdicts):
            wrong.append((drawn.inputs, shown(drawn.frame), drawn.rules, verdicts))

    assert wrong == []
    assert counts[True] >= ENOUGH
    assert counts[False] >= ENOUGH


def contradicts(drawn: Drawn, verdicts: dict[Batch, list[bool]]) -> bool:
    full = verdicts[Batch.FULL]
    gaps = [one for batch, found in verdicts.items() if batch is not Batch.FULL for one in found]
    if drawn.compatible:
        return not all([*full, *gaps])
    if len(drawn.frame.columns) > 1:
        return False  # Which of the columns is to blame is not told.
    # Tensors are cast without a look, NaN to int as well.
    cast = "tensor" in drawn.inputs
    promised = {
        "FIT003": not any(full),
        "FIT004": True,  # By the values: either way is right.
        "FIT005": all(full) and (cast or not all(gaps)),
        "FIT006": not any(full),
        "FIT010": not any(full),
        "FIT012": all(full),
    }
    (rule,) = drawn.rules
    return not promised[rule]


def batches(frame: Frame) -> set[Batch]:
    return {batch for column in frame.columns.values() for batch in column.batches}


def shown(frame: Frame) -> dict[str, str]:
    return {name: f"{column.type} {column.path}" for name, column in frame.columns.items()}


def draws(rng: random.Random, *, count: int) -> Iterator[Drawn]:
    for _ in range(count):
        path, nulls = rng.choice(list(ServingPath)), rng.choice(list(NullPolicy))
        policy = Policy(serving_path=path, null_policy=nulls)
        names = ["x", "y"][: rng.choice([1, 1, 1, 2])]
        features = plain([drawn_field(name, rng) for name in names])
        frame = build_frame(
            features,
            path=path,
            may_be_missing=policy.may_be_missing(features),
            full_feature_names=False,
        )
        columns = {name: frame.columns[name] for name in names}
        inputs = json.dumps(drawn_inputs(columns, rng=rng))
        signature = parse_signature(inputs=inputs, outputs=None, params=None)
        subject = Subject(name="b", signature=signature, features=features, columns=tuple(columns))
        report = check(subject, policy=policy)
        yield Drawn(
            inputs=inputs,
            frame=Frame(columns=columns, collisions={}),
            compatible=report.compatible,
            rules=frozenset(one.rule for one in report.findings if one.severity is Severity.ERROR),
        )


PLAIN = {
    "Int32": 8,
    "Int64": 8,
    "Float32": 8,
    "Float64": 10,
    "Bool": 5,
    "String": 5,
    "Bytes": 2,
    "UnixTimestamp": 2,
    "Uuid": 2,
    "Decimal": 2,
    "Json": 2,
    "Map": 2,
    "Array(Int32)": 3,
    "Array(Int64)": 3,
    "Array(Float32)": 3,
    "Array(Float64)": 3,
    "Array(String)": 3,
    "Set(Int64)": 2,
}
INSIDE = ["INT32", "INT64", "FLOAT32", "FLOAT64", "BOOL", "STRING", "BYTES", "UUID", "DECIMAL"]
NESTED = [
    "Array(Array(INT64))",
    "Array(Array(FLOAT32))",
    "Array(Set(STRING))",
    'Array({"__struct__": {"a": "FLOAT64"}})',
]


def drawn_field(name: str, rng: random.Random) -> dict[str, Any]:
    draw = rng.random()
    if draw < 0.15:
        inner = {key: rng.choice(INSIDE) for key in rng.sample("abc", rng.choice([1, 2]))}
        return field(name, f"Struct{json.dumps(inner)}")
    if draw < 0.22:
        tags = {"feast:nested_inner_type": rng.choice(NESTED)}
        return {"name": name, "value_type": 42, "tags": tags}
    (type_,) = rng.choices(list(PLAIN), weights=list(PLAIN.values()))
    if type_ == "Array(Float32)" and rng.random() < 0.5:
        return field(name, type_, vector_index=True, vector_length=3)
    return field(name, type_)


SCALARS = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
MATCHING = {
    Leaf.BOOL: ["boolean"],
    Leaf.INT32: ["integer", "long", "double"],
    Leaf.INT64: ["long"],
    Leaf.FLOAT32: ["float", "double"],
    Leaf.FLOAT64: ["double"],
    Leaf.TEXT: ["string"],
    Leaf.BYTES: ["binary"],
    Leaf.DECIMAL: ["double"],
    Leaf.NAIVE_TIME: ["datetime"],
    Leaf.AWARE_TIME: ["datetime"],
    Leaf.UUID: ["string"],
}


SHAPES = [[-1], [-1, 1], [-1, 2], [-1, 3], [-1, -1], [3]]
DTYPES = ["float64", "float64", "float32", "int64", "int32", "object", "str", "bool"]


def drawn_inputs(columns: Mapping[str, Column], *, rng: random.Random) -> list[dict[str, Any]]:
    """Return inputs that mostly take *columns*: by name, by position, or as tensors."""
    draw = rng.random()
    if draw < 0.04:
        return [drawn_tensor(rng)]
    if draw < 0.12:
        return [{"name": name, **drawn_tensor(rng)} for name in columns]
    specs = {name: drawn_spec(column.cell, rng=rng) for name, column in columns.items()}
    if draw < 0.2:
        return [{**spec, "required": True} for spec in specs.values()]
    return [{"name": name, **spec} for name, spec in specs.items()]


def drawn_tensor(rng: random.Random) -> dict[str, Any]:
    spec = {"dtype": rng.choice(DTYPES), "shape": rng.choice(SHAPES)}
    return {"type": "tensor", "tensor-spec": spec}


def drawn_spec(cell: Cell, *, rng: random.Random) -> dict[str, Any]:
    """Return an input: mostly one that takes *cell*, else anything."""
    spec = matching(cell, rng=rng) if rng.random() < 0.72 else drawn_type(rng, depth=0)
    return {**spec, "required": rng.random() < 0.5}


def matching(cell: Cell, *, rng: random.Random) -> dict[str, Any]:
    match cell:
        case ListCell(item):
            return {"type": "array", "items": matching(item, rng=rng)}
        case RecordCell(fields) if rng.random() < 0.2:
            return {"type": "map", "values": matching(fields[0][1], rng=rng)}
        case RecordCell(fields):
            properties = {
                name: {**matching(one, rng=rng), "required": rng.random() < 0.5}
                for name, one in fields
            }
            if rng.random() < 0.2:
                properties["z"] = {"type": "long", "required": rng.random() < 0.3}
            return {"type": "object", "properties": properties}
        case Leaf() if cell in MATCHING:
            return {"type": rng.choice(MATCHING[cell])}
        case _:
            return {"type": "any"}


def drawn_type(rng: random.Random, *, depth: int) -> dict[str, Any]:
    draw = rng.random()
    if draw < 0.6 or depth > 2:
        return {"type": rng.choice(SCALARS)}
    if draw < 0.8:
        return {"type": "array", "items": drawn_type(rng, depth=depth + 1)}
    if draw < 0.9:
        return {"type": "map", "values": drawn_type(rng, depth=depth + 1)}
    return {"type": "object", "properties": {"a": drawn_type(rng, depth=depth + 1)}}
