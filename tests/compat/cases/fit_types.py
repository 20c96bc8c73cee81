"""Cases of the other FIT rules about types."""

from tests.compat import raws
from tests.compat.cases.base import HISTORICAL, NEVER, Case, one, reads
from tests.compat.raws import on_demand_view, plain, projection, service, signature
from trilock.compat import NullPolicy, Policy, parse_features

ARRAY_LONG = {"type": "array", "items": {"type": "long"}}
OBJECT = {"type": "object", "properties": {"a": {"type": "long"}}}

FIT_TYPES = [
    Case(rule="FIT004", about="Float64 for double"),
    Case(
        rule="FIT004",
        about="Int64 for double",
        features=one("Int64"),
        signature=reads("double"),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="Int64 for float",
        features=one("Int64"),
        signature=reads("float"),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="Int64 for long",
        features=one("Int64"),
        signature=reads("long"),
        policy=NEVER,
    ),
    Case(
        rule="FIT004",
        about="text for a time",
        features=one("String"),
        signature=reads("datetime"),
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="text for a number",
        features=one("String"),
        signature=reads("double"),
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="a list of ints for doubles",
        features=one("Array(Int64)"),
        signature=reads({"type": "array", "items": {"type": "double"}}),
        policy=NEVER,
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="parsed JSON",
        features=one("Json"),
        signature=reads("string"),
        paths=["x"],
    ),
    Case(
        rule="FIT004",
        about="a list of unknown length in a tensor",
        features=one("Array(Float32)"),
        signature=signature([raws.tensor("float64", -1, 3, name="x")]),
        policy=NEVER,
        paths=["x"],
    ),
    Case(rule="FIT005", about="Float64 can be missing"),
    Case(
        rule="FIT005",
        about="Int64 cannot",
        features=one("Int64"),
        signature=reads("long"),
        paths=["x"],
    ),
    Case(
        rule="FIT005",
        about="Int64 is never missing",
        features=one("Int64"),
        signature=reads("long"),
        policy=NEVER,
    ),
    Case(
        rule="FIT005",
        about="never missing in this view",
        features=one("Int64"),
        signature=reads("long"),
        policy=Policy(nulls={"weather": NullPolicy.NEVER_MISSING}),
    ),
    Case(
        rule="FIT005",
        about="the exception of a feature beats the view's",
        features=one("Int64"),
        signature=reads("long"),
        policy=Policy(
            nulls={
                "weather": NullPolicy.NEVER_MISSING,
                "weather:x": NullPolicy.MAY_BE_MISSING,
            }
        ),
        paths=["x"],
    ),
    Case(rule="FIT005", about="Bool can", features=one("Bool"), signature=reads("boolean")),
    Case(rule="FIT005", about="String can", features=one("String"), signature=reads("string")),
    Case(
        rule="FIT005",
        about="Decimal can, online",
        features=one("Decimal"),
        signature=reads("double"),
    ),
    Case(
        rule="FIT005",
        about="Int32 can for double, in history",
        features=one("Int32"),
        signature=reads("double"),
        policy=HISTORICAL,
    ),
    Case(
        rule="FIT005",
        about="a required list cannot",
        features=one("Array(Int64)"),
        signature=reads(ARRAY_LONG),
        paths=["x"],
    ),
    Case(
        rule="FIT005",
        about="an optional list can",
        features=one("Array(Int64)"),
        signature=reads({**ARRAY_LONG, "required": False}),
    ),
    Case(
        rule="FIT005",
        about="a required struct cannot",
        features=one('Struct{"a": "INT64"}'),
        signature=reads(OBJECT),
        paths=["x"],
    ),
    Case(
        rule="FIT005",
        about="a join key is never missing",
        features=one("Bool", keys={"id": "Int64"}),
        signature=signature({"id": "long"}),
    ),
    Case(
        rule="FIT005",
        about="what is computed from the request is never missing",
        features=parse_features(
            [
                on_demand_view(
                    "asked", {"n": "Int64"}, sources={"r": raws.request({"a": "Int64"})}
                ),
                service(projection("asked", {"n": "Int64"})),
            ],
            service="delay_v1",
        ),
        signature=signature({"n": "long"}),
    ),
    Case(
        rule="FIT005",
        about="no row at all is no tensor",
        signature=signature([raws.tensor("float64", -1, name="temp")]),
        paths=["temp"],
    ),
    Case(
        rule="FIT006",
        about="a time with a zone",
        features=one("UnixTimestamp"),
        signature=reads("datetime"),
        paths=["x"],
    ),
    Case(
        rule="FIT006",
        about="in history too",
        features=one("ZonedTimestamp"),
        signature=reads("datetime"),
        policy=HISTORICAL,
        paths=["x"],
    ),
    Case(
        rule="FIT006",
        about="nobody reads it",
        features=plain({"temp": "Float64", "x": "UnixTimestamp"}),
    ),
    Case(
        rule="FIT006",
        about="any takes all",
        features=one("UnixTimestamp"),
        signature=reads({"type": "any"}),
    ),
    Case(rule="FIT012", about="text for text", features=one("String"), signature=reads("string")),
    Case(
        rule="FIT012",
        about="text for a boolean",
        features=one("String"),
        signature=reads("boolean"),
        paths=["x"],
    ),
    Case(
        rule="FIT012",
        about="text for bytes",
        features=one("String"),
        signature=reads("binary"),
        paths=["x"],
    ),
    Case(
        rule="FIT012",
        about="UUID objects for text, online",
        features=one("Uuid"),
        signature=reads("string"),
        paths=["x"],
    ),
    Case(
        rule="FIT012",
        about="UUIDs are text in history",
        features=one("Uuid"),
        signature=reads("string"),
        policy=HISTORICAL,
    ),
    Case(
        rule="FIT012",
        about="a float cast to an int tensor",
        signature=signature([raws.tensor("int64", -1, name="temp")]),
        policy=NEVER,
        paths=["temp"],
    ),
]
