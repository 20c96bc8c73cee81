"""Cases of the FIT rules about which columns there are."""

from tests.compat import raws
from tests.compat.cases.base import HISTORICAL, NEW, Case, requested
from tests.compat.raws import plain, projection, service, signature, view
from trilock.compat import FeatureSet, Policy, RawObject, parse_features


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
