"""Table cases of every rule: what breaks it, what does not. Read by test_rules.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.compat import raws
from tests.compat.raws import flights, on_demand_view, plain, projection, service, signature, view
from trilock.compat import (
    Consumer,
    FeatureSet,
    Lineage,
    Mode,
    NullPolicy,
    Policy,
    Predecessor,
    RawObject,
    ServingPath,
    Signature,
    Subject,
    Waiver,
    parse_features,
)

TEMP = plain({"temp": "Float64"})
READS_TEMP = signature({"temp": "double"})
NEVER = Policy(null_policy=NullPolicy.NEVER_MISSING)
HISTORICAL = Policy(serving_path=ServingPath.HISTORICAL)
OLD = "models/delay/bundles/1"
NEW = "models/delay/bundles/2"
OTHER = "models/eta/bundles/4"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One subject, and the paths that the rule must find in it."""

    rule: str
    about: str
    paths: Sequence[str] = ()
    features: FeatureSet = TEMP
    signature: Signature | None = READS_TEMP
    policy: Policy = field(default_factory=Policy)
    columns: tuple[str, ...] | None = None
    lineage: Lineage = field(default_factory=Lineage)
    revision: str | None = None
    sinks: dict[str, str] | None = None
    before: Sequence[FeatureSet | tuple[FeatureSet, Signature]] = ()
    consumers: Sequence[Consumer] = ()

    def subject(self) -> Subject:
        return Subject(
            name=NEW,
            signature=self.signature,
            features=self.features,
            pipeline_revision=self.revision,
            lineage=self.lineage,
            columns=self.columns,
            sink_columns=self.sinks,
        )

    def predecessors(self) -> list[Predecessor]:
        """Newest first: OLD, then OLD-1 and so on."""
        found = []
        for index, entry in enumerate(self.before):
            features, sig = entry if isinstance(entry, tuple) else (entry, READS_TEMP)
            name = OLD if index == 0 else f"{OLD}-{index}"
            subject = Subject(name=name, signature=sig, features=features)
            found.append(Predecessor(name=name, subject=subject))
        return found


def one(type_: str, **more: Any) -> FeatureSet:
    return plain({"x": type_}, **more)


def reads(type_: Any) -> Signature:
    return signature({"x": type_})


def consumer(after: FeatureSet, *, sig: Signature | None = READS_TEMP) -> Consumer:
    return Consumer(
        name=OTHER,
        signature=sig,
        recorded=plain({"temp": "Float64", "wind": "Float64"}),
        after=after,
    )


def unknown() -> FeatureSet:
    return parse_features([service(projection())], service="delay_v1")


def colliding() -> FeatureSet:
    objects: list[RawObject] = [
        view("origin", {"temp": "Float64"}),
        view("dest", {"temp": "Float64"}),
    ]
    projections = [projection(name, {"temp": "Float64"}) for name in ("origin", "dest")]
    return parse_features([*objects, service(*projections)], service="delay_v1")


def broken() -> FeatureSet:
    objects = [view(features={"temp": "Float64"}), service(projection())]
    return parse_features(objects, service="delay_v1")


def requested() -> FeatureSet:
    return plain({"temp": "Float64"}, request_fields={"distance": "Float64"})


ARRAY_LONG = {"type": "array", "items": {"type": "long"}}
ARRAY_FLOAT = {"type": "array", "items": {"type": "float"}}
OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "long"}, "b": {"type": "string", "required": False}},
}
TENSOR_2 = [raws.tensor("float64", -1, 2)]


def vector(length: int = 3, type_: str = "Array(Float32)") -> FeatureSet:
    spec = raws.field("x", type_, vector_index=True, vector_length=length)
    return plain([spec])


TODAY = date(2026, 2, 1)


def waived(until: date) -> Policy:
    waiver = Waiver(
        rule="FIT013", path="distance", owner="ana", reason="the caller adds it", expires=until
    )
    return Policy(waivers=(waiver,))


EVIDENCE = [
    Case(rule="EVI001", about="everything is there"),
    Case(
        rule="EVI001", about="a view is not in the capture", features=unknown(), paths=["delay_v1"]
    ),
    Case(
        rule="EVI001",
        about="a type of a newer Feast",
        features=plain([{"name": "x", "value_type": 99}]),
        paths=["delay_v1"],
    ),
    Case(
        rule="EVI002",
        about="a mode compares with a predecessor that cannot be read",
        policy=Policy(mode=Mode.FULL),
        before=[unknown()],
        paths=[OLD],
    ),
    Case(rule="EVI002", about="no mode, no comparison", before=[unknown()]),
    Case(
        rule="EVI002",
        about="a mode that is not transitive does not look further back",
        policy=Policy(mode=Mode.FULL),
        before=[TEMP, unknown()],
    ),
    Case(
        rule="EVI003",
        about="another bundle without a signature, and its contract changes",
        consumers=[consumer(TEMP, sig=None)],
        paths=[OTHER],
    ),
    Case(
        rule="EVI003",
        about="another bundle without a signature, and its contract stays",
        consumers=[consumer(plain({"wind": "Float64", "temp": "Float64"}), sig=None)],
    ),
    Case(
        rule="EVI004",
        about="a type of the user's own",
        signature=signature({"temp": "double"}, outputs={"delay": "double"}),
        sinks={"delay": "minutes_t"},
        paths=["delay"],
    ),
    Case(
        rule="EVI004",
        about="a type that is known",
        signature=signature({"temp": "double"}, outputs={"delay": "double"}),
        sinks={"delay": "double precision"},
    ),
]

FIT_COLUMNS = [
    Case(rule="FIT001", about="delivered"),
    Case(
        rule="FIT001",
        about="not delivered",
        signature=signature({"temp": "double", "gust": "double"}),
        paths=["gust"],
    ),
    Case(
        rule="FIT001",
        about="names are case-sensitive",
        signature=signature({"Temp": "double"}),
        paths=["Temp"],
    ),
    Case(
        rule="FIT001",
        about="more features than inputs",
        features=plain({"temp": "Float64", "a": "Bool"}),
    ),
    Case(rule="FIT001", about="an optional input", signature=signature({"gust": "double?"})),
    Case(rule="FIT001", about="a join key is a column", signature=signature({"airport": "string"})),
    Case(
        rule="FIT001",
        about="a request field is a column",
        features=requested(),
        signature=signature({"distance": "double"}),
    ),
    Case(
        rule="FIT001",
        about="full feature names",
        policy=Policy(full_feature_names=True),
        signature=signature({"temp": "double", "weather__temp": "double"}),
        paths=["temp"],
    ),
    Case(
        rule="FIT001",
        about="columns without a name are taken in the recorded order",
        signature=signature([{"type": "double"}, {"type": "double"}]),
        columns=("temp",),
        paths=["#1"],
    ),
    Case(
        rule="FIT001",
        about="a join key goes by its name after the join key map",
        features=parse_features(
            [view(), service(projection(join_key_map={"airport": "origin"}))], service="delay_v1"
        ),
        signature=signature({"origin": "string", "airport": "string"}),
        paths=["airport"],
    ),
    Case(rule="FIT002", about="a signature"),
    Case(rule="FIT002", about="no signature", signature=None, paths=[NEW]),
    Case(rule="FIT011", about="delivered", signature=signature({"temp": "double?"})),
    Case(
        rule="FIT011",
        about="not delivered",
        signature=signature({"gust": "double?"}),
        paths=["gust"],
    ),
    Case(rule="FIT007", about="each once"),
    Case(
        rule="FIT007",
        about="one twice",
        signature=signature([*raws.columns({"temp": "double"}), *raws.columns({"temp": "string"})]),
        paths=["temp"],
    ),
    Case(rule="FIT008", about="no collision"),
    Case(rule="FIT008", about="two views have a temp", features=colliding(), paths=["temp"]),
    Case(
        rule="FIT008",
        about="full names tell them apart",
        features=colliding(),
        policy=Policy(full_feature_names=True),
    ),
    Case(
        rule="FIT013",
        about="the model reads a request field",
        features=requested(),
        signature=signature({"distance": "double"}),
        paths=["distance"],
    ),
    Case(rule="FIT013", about="the model reads none", features=requested()),
    Case(
        rule="FIT013",
        about="historical frames have the entity frame's columns",
        features=requested(),
        signature=signature({"distance": "double"}),
        policy=HISTORICAL,
    ),
    Case(rule="FIT014", about="coherent"),
    Case(
        rule="FIT014",
        about="a view lost what the service takes",
        features=broken(),
        paths=["delay_v1"],
    ),
    Case(
        rule="FIT014",
        about="a disabled view",
        features=plain({"temp": "Float64"}, disabled=True),
        paths=["delay_v1"],
    ),
]

FIT_TYPES = [
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

FIT_ORDER = [
    Case(rule="FIT009", about="names"),
    Case(
        rule="FIT009", about="a tensor without a name", signature=signature(TENSOR_2), paths=[NEW]
    ),
    Case(
        rule="FIT009",
        about="columns without names",
        signature=signature([{"type": "double"}]),
        paths=[NEW],
    ),
    Case(
        rule="FIT009",
        about="a recorded order",
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
    ),
    Case(
        rule="FIT010",
        about="two floats make a float tensor",
        features=plain({"temp": "Float64", "wind": "Float32"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
    ),
    Case(
        rule="FIT010",
        about="an int and a float do too",
        features=plain({"temp": "Float64", "wind": "Int64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
    ),
    Case(
        rule="FIT010",
        about="a bool makes it an object frame",
        features=plain({"temp": "Float64", "wind": "Bool"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="two ints make an int tensor",
        features=plain({"temp": "Int64", "wind": "Int64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="a batch without any row is an object frame",
        features=plain({"temp": "Float64", "wind": "Float64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="three columns for a tensor of two",
        features=plain({"a": "Float64", "b": "Float64", "c": "Float64"}),
        signature=signature(TENSOR_2),
        columns=("a", "b", "c"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="a column that is not delivered",
        signature=signature(TENSOR_2),
        columns=("temp", "gust"),
        policy=NEVER,
        paths=["gust"],
    ),
]


def writes(type_: Any, name: str = "delay") -> Signature:
    return signature({"temp": "double"}, outputs={name: type_})


FIT_OUTPUTS = [
    Case(
        rule="FIT015",
        about="double",
        signature=writes("double"),
        sinks={"delay": "double precision"},
    ),
    Case(
        rule="FIT015",
        about="text for a number",
        signature=writes("string"),
        sinks={"delay": "REAL"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a number for text",
        signature=writes("double"),
        sinks={"delay": "character varying(20)"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a number for a flag",
        signature=writes("long"),
        sinks={"delay": "boolean"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a named tensor",
        signature=signature({"temp": "double"}, outputs=[raws.tensor("int64", -1, name="delay")]),
        sinks={"delay": "text"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="an output without a name",
        signature=signature({"temp": "double"}, outputs=[{"type": "string"}]),
        sinks={"delay": "real"},
    ),
    Case(
        rule="FIT015",
        about="SQL names are case-insensitive",
        signature=writes("double", "Delay"),
        sinks={"delay": "DOUBLE"},
    ),
    Case(
        rule="FIT016",
        about="SQL names are case-insensitive",
        signature=writes("double"),
        sinks={"Delay": "DOUBLE"},
    ),
    Case(
        rule="FIT016",
        about="a column for it",
        signature=writes("double"),
        sinks={"delay": "float8", "flight": "text"},
    ),
    Case(
        rule="FIT016",
        about="no column for it",
        signature=writes("double"),
        sinks={"flight": "text"},
        paths=["delay"],
    ),
    Case(rule="FIT016", about="no sink", signature=writes("double"), sinks=None),
    Case(rule="FIT018", about="bigint", signature=writes("long"), sinks={"delay": "bigint"}),
    Case(
        rule="FIT018",
        about="integer",
        signature=writes("long"),
        sinks={"delay": "integer"},
        paths=["delay"],
    ),
    Case(
        rule="FIT018",
        about="real",
        signature=writes("double"),
        sinks={"delay": "real"},
        paths=["delay"],
    ),
    Case(
        rule="FIT018",
        about="numeric takes all",
        signature=writes("double"),
        sinks={"delay": "numeric(12, 3)"},
    ),
    Case(
        rule="FIT017",
        about="as before",
        signature=writes("double"),
        before=[(TEMP, writes("double"))],
    ),
    Case(
        rule="FIT017",
        about="another type",
        signature=writes("string"),
        before=[(TEMP, writes("double"))],
        paths=["delay"],
    ),
    Case(
        rule="FIT017",
        about="another name",
        signature=writes("double", "late"),
        before=[(TEMP, writes("double"))],
        paths=["delay"],
    ),
    Case(rule="FIT017", about="no outputs logged", before=[(TEMP, writes("double"))]),
    Case(
        rule="FIT017",
        about="one more output",
        signature=signature({"temp": "double"}, outputs={"delay": "double", "p": "double"}),
        before=[(TEMP, writes("double"))],
    ),
]

BOTH = plain({"temp": "Float64", "wind": "Float64"})
FORWARD, BACKWARD = Policy(mode=Mode.FORWARD), Policy(mode=Mode.BACKWARD)


def keyed(keys: dict[str, str]) -> FeatureSet:
    return plain({"temp": "Float64"}, keys=keys)


EVOLUTION = [
    Case(
        rule="EVO001",
        about="forward: a feature is dropped",
        policy=FORWARD,
        before=[BOTH],
        paths=["weather:wind"],
    ),
    Case(
        rule="EVO001",
        about="forward: a feature is added",
        policy=FORWARD,
        features=BOTH,
        before=[TEMP],
    ),
    Case(rule="EVO001", about="backward: a feature is dropped", policy=BACKWARD, before=[BOTH]),
    Case(
        rule="EVO001",
        about="backward: a feature is added",
        policy=BACKWARD,
        features=BOTH,
        before=[TEMP],
        paths=["weather:wind"],
    ),
    Case(
        rule="EVO001",
        about="full: dropped",
        policy=Policy(mode=Mode.FULL),
        before=[BOTH],
        paths=["weather:wind"],
    ),
    Case(
        rule="EVO001",
        about="full: added",
        policy=Policy(mode=Mode.FULL),
        features=BOTH,
        before=[TEMP],
        paths=["weather:wind"],
    ),
    Case(rule="EVO001", about="none: dropped", before=[BOTH]),
    Case(rule="EVO001", about="the last predecessor only", policy=FORWARD, before=[TEMP, BOTH]),
    Case(
        rule="EVO001",
        about="transitive: every predecessor",
        policy=Policy(mode=Mode.FORWARD_TRANSITIVE),
        before=[TEMP, BOTH],
        paths=["weather:wind"],
    ),
    Case(
        rule="EVO002",
        about="forward: Int64 becomes Int32",
        policy=FORWARD,
        features=one("Int32"),
        before=[one("Int64")],
    ),
    Case(
        rule="EVO002",
        about="forward: Int32 becomes Int64",
        policy=FORWARD,
        features=one("Int64"),
        before=[one("Int32")],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO002",
        about="backward: Int32 becomes Int64",
        policy=BACKWARD,
        features=one("Int64"),
        before=[one("Int32")],
    ),
    Case(
        rule="EVO002",
        about="backward: lists of Int32 become lists of Int64",
        policy=BACKWARD,
        features=one("Array(Int64)"),
        before=[one("Array(Int32)")],
    ),
    Case(
        rule="EVO002",
        about="forward: a number becomes text",
        policy=FORWARD,
        features=one("String"),
        before=[one("Float64")],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO002",
        about="forward: an int becomes a float",
        policy=FORWARD,
        features=one("Float64"),
        before=[one("Int64")],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO002",
        about="forward: a vector of another length",
        policy=FORWARD,
        features=vector(4),
        before=[vector(3)],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO002",
        about="forward: a struct gets a key",
        policy=FORWARD,
        features=one('Struct{"a": "INT64", "b": "INT64"}'),
        before=[one('Struct{"a": "INT64"}')],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO002",
        about="forward: a struct loses a key",
        policy=FORWARD,
        features=one('Struct{"a": "INT64"}'),
        before=[one('Struct{"a": "INT64", "b": "INT64"}')],
        paths=["weather:x"],
    ),
    Case(
        rule="EVO003",
        about="forward: a further join key",
        policy=FORWARD,
        features=keyed({"airport": "String", "day": "Int64"}),
        before=[keyed({"airport": "String"})],
        paths=["day"],
    ),
    Case(
        rule="EVO003",
        about="forward: one join key less",
        policy=FORWARD,
        features=keyed({"airport": "String"}),
        before=[keyed({"airport": "String", "day": "Int64"})],
    ),
    Case(
        rule="EVO003",
        about="forward: a request field",
        policy=FORWARD,
        features=requested(),
        before=[TEMP],
        paths=["distance"],
    ),
    Case(
        rule="EVO003",
        about="backward: a request field is dropped",
        policy=BACKWARD,
        before=[requested()],
        paths=["distance"],
    ),
]

CELSIUS = raws.UDF.replace("70.0", "21.0")

MEANING = [
    Case(rule="SEM001", about="the same", features=flights(), before=[flights()]),
    Case(
        rule="SEM001",
        about="only a comment",
        features=flights(text=raws.UDF.replace("# Fahrenheit", "# F")),
        before=[flights()],
    ),
    Case(
        rule="SEM001",
        about="the transformation",
        features=flights(text=CELSIUS),
        before=[flights()],
        paths=["warmth:warm"],
    ),
    Case(
        rule="SEM001",
        about="the source, and so what is made from it",
        features=flights(batch_source=raws.source(timestamp_field="seen_at")),
        before=[flights()],
        paths=["warmth:warm", "weather:temp", "weather:wind"],
    ),
    Case(
        rule="SEM001",
        about="ttl",
        features=plain({"temp": "Float64"}, ttl="60s"),
        before=[TEMP],
        paths=["weather:temp"],
    ),
    Case(rule="SEM001", about="only a new feature", features=BOTH, before=[TEMP]),
    Case(
        rule="SEM001",
        about="another type is another rule's",
        features=plain({"temp": "String"}, ttl="60s"),
        before=[TEMP],
    ),
    Case(
        rule="SEM001",
        about="joined by another key",
        features=parse_features(
            [view(), service(projection(join_key_map={"airport": "dest"}))], service="delay_v1"
        ),
        before=[
            parse_features(
                [view(), service(projection(join_key_map={"airport": "origin"}))],
                service="delay_v1",
            )
        ],
        paths=["weather:temp", "weather:wind"],
    ),
    Case(rule="SEM002", about="the same bytes", features=flights(), before=[flights()]),
    Case(
        rule="SEM002",
        about="other bytes, the same text",
        features=flights(body="gASW"),
        before=[flights()],
        paths=["on_demand_feature_view/warmth"],
    ),
    Case(
        rule="SEM002",
        about="another text",
        features=flights(text=CELSIUS, body="gASW"),
        before=[flights()],
    ),
]

COMMIT = "9c1f" + "0" * 36

LINEAGE = [
    Case(
        rule="LIN001",
        about="the same commit",
        lineage=Lineage(trained_commit=COMMIT),
        revision=COMMIT,
    ),
    Case(
        rule="LIN001", about="abbreviated", lineage=Lineage(trained_commit="9C1F0"), revision=COMMIT
    ),
    Case(
        rule="LIN001",
        about="another commit",
        lineage=Lineage(trained_commit="77ab"),
        revision=COMMIT,
        paths=[NEW],
    ),
    Case(rule="LIN001", about="nothing said", revision=COMMIT),
    Case(rule="LIN002", about="the same service", lineage=Lineage(trained_service="delay_v1")),
    Case(
        rule="LIN002",
        about="another service",
        lineage=Lineage(trained_service="delay_v2"),
        paths=[NEW],
    ),
    Case(rule="LIN002", about="nothing said"),
]

CONSUMERS = [
    Case(rule="CON001", about="it still fits", consumers=[consumer(TEMP)]),
    Case(
        rule="CON001",
        about="what it reads is dropped",
        consumers=[consumer(plain({"wind": "Float64"}))],
        paths=[f"{OTHER}/temp"],
    ),
    Case(
        rule="CON001",
        about="what it reads is retyped",
        consumers=[consumer(plain({"temp": "String"}))],
        paths=[f"{OTHER}/temp"],
    ),
    Case(
        rule="CON001",
        about="it did not fit before",
        consumers=[consumer(TEMP, sig=signature({"temp": "double", "gust": "double"}))],
    ),
    Case(rule="CON002", about="it keeps its meaning", consumers=[consumer(BOTH)]),
    Case(
        rule="CON002",
        about="what it reads is made in another way",
        consumers=[consumer(plain({"temp": "Float64", "wind": "Float64"}, ttl="60s"))],
        paths=[f"{OTHER}/weather:temp"],
    ),
    Case(
        rule="CON002",
        about="without a signature it may read everything",
        consumers=[consumer(plain({"temp": "Float64", "wind": "Float64"}, ttl="60s"), sig=None)],
        paths=[f"{OTHER}/weather:temp", f"{OTHER}/weather:wind"],
    ),
]

POLICY = [
    Case(rule="POL001", about="a waiver is good on its last day", policy=waived(TODAY)),
    Case(
        rule="POL001",
        about="an expired waiver",
        policy=waived(date(2026, 1, 31)),
        paths=["distance"],
    ),
]

CASES: Sequence[Case] = [
    *EVIDENCE,
    *FIT_COLUMNS,
    *FIT_TYPES,
    *FIT_ORDER,
    *FIT_OUTPUTS,
    *EVOLUTION,
    *MEANING,
    *LINEAGE,
    *CONSUMERS,
    *POLICY,
]
