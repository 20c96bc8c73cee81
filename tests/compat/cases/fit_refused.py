"""Cases of FIT003: what MLflow refuses."""

from tests.compat import raws
from tests.compat.cases.base import HISTORICAL, NEVER, Case, one, reads, vector
from tests.compat.raws import plain, signature
from trilock.compat import NullPolicy, Policy, ServingPath

ARRAY_LONG = {"type": "array", "items": {"type": "long"}}
ARRAY_FLOAT = {"type": "array", "items": {"type": "float"}}
OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "long"}, "b": {"type": "string", "required": False}},
}
TENSOR_2 = [raws.tensor("float64", -1, 2)]

REFUSED = [
    Case(rule="FIT003", about="double"),
    Case(
        rule="FIT003",
        about="text for a number",
        features=one("String"),
        signature=reads("long"),
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="a float for an int",
        features=one("Float64"),
        signature=reads("long"),
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="Int32 is int64 online",
        features=one("Int32"),
        signature=reads("integer"),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="Int32 stays int32 in history",
        features=one("Int32"),
        signature=reads("integer"),
        policy=Policy(serving_path=ServingPath.HISTORICAL, null_policy=NullPolicy.NEVER_MISSING),
    ),
    Case(
        rule="FIT003",
        about="Float32 is float64 online",
        features=one("Float32"),
        signature=reads("float"),
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="Float32 stays float32 in history",
        features=one("Float32"),
        signature=reads("float"),
        policy=HISTORICAL,
    ),
    Case(
        rule="FIT003",
        about="a list",
        features=one("Array(Int64)"),
        signature=reads(ARRAY_LONG),
        policy=NEVER,
    ),
    Case(
        rule="FIT003",
        about="a list of float32 online",
        features=one("Array(Float32)"),
        signature=reads(ARRAY_FLOAT),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="a set is no list",
        features=one("Set(Int64)"),
        signature=reads(ARRAY_LONG),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="a struct",
        features=one('Struct{"a": "INT64", "b": "STRING"}'),
        signature=reads(OBJECT),
        policy=NEVER,
    ),
    Case(
        rule="FIT003",
        about="a struct with a key too many",
        features=one('Struct{"a": "INT64", "c": "STRING"}'),
        signature=reads(OBJECT),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="a struct without a required key",
        features=one('Struct{"b": "STRING"}'),
        signature=reads(OBJECT),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="a struct without an optional key",
        features=one('Struct{"a": "INT64"}'),
        signature=reads(OBJECT),
        policy=NEVER,
    ),
    Case(
        rule="FIT003", about="any takes all", features=one("Json"), signature=reads({"type": "any"})
    ),
    Case(
        rule="FIT003",
        about="a vector in a tensor of its length",
        features=vector(3),
        signature=signature([raws.tensor("float64", -1, 3, name="x")]),
        policy=NEVER,
    ),
    Case(
        rule="FIT003",
        about="a vector in a tensor of another length",
        features=vector(4),
        signature=signature([raws.tensor("float64", -1, 3, name="x")]),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT003",
        about="one tensor over all columns is FIT010's",
        features=plain({"temp": "Float64", "wind": "Float64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
    ),
]
