"""Cases of the EVOLUTION rules."""

from tests.compat.cases.base import TEMP, Case, one, requested, vector
from tests.compat.raws import plain
from trilock.compat import FeatureSet, Mode, Policy

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
