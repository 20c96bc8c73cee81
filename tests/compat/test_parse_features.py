"""What a feature service delivers is read whole, or said to be unknown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compat import raws
from tests.compat.raws import entity, field, on_demand_view, projection, service, source, view
from trilock.compat import FeatureSet, RawObject, parse_features
from trilock.compat.proto_shapes import ROOTS


def parsed(*objects: RawObject) -> FeatureSet:
    return parse_features(objects, service="delay_v1")


def test_features_come_in_the_order_of_the_service() -> None:
    types = {"wind": "Float64", "temp": "Float64"}
    found = parsed(
        view("b", types), view("a", types), service(projection("b", types), projection("a", types))
    )

    assert [one.ref for one in found.features] == ["b:wind", "b:temp", "a:wind", "a:temp"]


def test_an_alias_renames_the_view() -> None:
    found = parsed(view(), service(projection(feature_view_name_alias="origin")))

    assert [one.ref for one in found.features] == ["origin:temp", "origin:wind"]
    assert found.features[0].made_by == ("feature_view/weather",)


def test_join_keys_go_by_their_mapped_names() -> None:
    keys = {"airport": "String", "hour": "Int64"}
    found = parsed(view(keys=keys), service(projection(join_key_map={"airport": "origin"})))

    assert [(one.name, str(one.type)) for one in found.join_keys] == [
        ("hour", "Int64"),
        ("origin", "String"),
    ]


def test_a_view_without_entities_needs_no_join_key() -> None:
    found = parsed(view(keys={"__dummy_id": "String"}), service(projection()))

    assert found.join_keys == ()


def test_an_on_demand_view_needs_what_its_sources_need() -> None:
    sources = {
        "weather": {
            "feature_view_projection": projection(join_key_map={"airport": "dest"}),
        },
        "request": raws.request({"distance": "Float64"}),
    }
    found = parsed(
        entity(),
        view(),
        on_demand_view(sources=sources),
        service(projection("warmth", {"warm": "Float64"})),
    )

    assert [one.name for one in found.join_keys] == ["dest"]
    assert [(one.name, str(one.type)) for one in found.request_fields] == [("distance", "Float64")]
    assert [(one.ref, one.nullable) for one in found.features] == [("warmth:warm", True)]
    assert found.features[0].made_by == (
        "entity/airport",
        "feature_view/weather",
        "on_demand_feature_view/warmth",
    )


def test_a_stream_view_has_its_entity_columns_among_its_features_on_the_wire() -> None:
    types = {"airport": "String", "temp": "Float64"}
    raw = view(features=types)
    stream = RawObject(
        kind="stream_feature_view",
        name=raw.name,
        definition=raw.definition,
        unknown_fields=False,
    )

    found = parsed(stream, service(projection(features=types)))

    assert [one.name for one in found.features] == ["temp"]


TYPES = [
    (field("x", "Int32"), "Int32"),
    (field("x", "Array(Float32)"), "Array(Float32)"),
    (
        field("x", 'Struct{"b": "INT32", "a": "Array(STRING)"}'),
        "Struct({a: Array(String), b: Int32})",
    ),
    (
        {"name": "x", "value_type": 35, "tags": {"feast:struct_schema": '{"a": "INT64"}'}},
        "Array(Struct({a: Int64}))",
    ),
    (
        {"name": "x", "value_type": 42, "tags": {"feast:nested_inner_type": "Array(Set(UUID))"}},
        "Array(Set(Uuid))",
    ),
    (
        {
            "name": "x",
            "value_type": 42,
            "tags": {"feast:nested_inner_type": 'Array({"__struct__": {"a": "BOOL"}})'},
        },
        "Array(Struct({a: Bool}))",
    ),
    ({"name": "x", "value_type": 31}, "ImageBytes"),
    ({"name": "x", "value_type": 46}, "Set(Decimal)"),
    ({"name": "x", "value_type": 47}, "ScalarMap"),
]


@pytest.mark.parametrize(("spec", "text"), TYPES, ids=[text for _, text in TYPES])
def test_types(spec: dict[str, Any], text: str) -> None:
    found = raws.plain([spec])

    assert [str(one.type) for one in found.features] == [text]
    assert found.undecidable == ()


UNKNOWN = [
    ({"name": "x", "value_type": 99}, "Feast's type number 99 is not known"),
    ({"name": "x"}, "the field declares no type"),
    ({"name": "x", "value_type": 19}, "Feast's type number 19 is not known"),
    ({"name": "x", "value_type": "INT64"}, "the field declares no type"),
    ({"name": "x", "value_type": 34}, "a struct without the types of its fields"),
    ({"name": "x", "value_type": 42}, "a nested collection without the types inside"),
    (
        {"name": "x", "value_type": 34, "tags": {"feast:struct_schema": '{"a": "TENSOR"}'}},
        "Feast's type 'TENSOR' is not known",
    ),
    (
        {"name": "x", "value_type": 34, "tags": {"feast:struct_schema": "{"}},
        "a struct tagged '{'",
    ),
    (
        {"name": "x", "value_type": 43, "tags": {"feast:nested_inner_type": "Array(INT64)"}},
        "a nested collection tagged 'Array(INT64)'",
    ),
    (
        {"name": "x", "value_type": 42, "tags": {"feast:nested_inner_type": "Array(" * 50}},
        "a nested collection tagged",
    ),
]


@pytest.mark.parametrize(("spec", "why"), UNKNOWN, ids=[why for _, why in UNKNOWN])
def test_a_type_that_cannot_be_told_is_undecidable(spec: dict[str, Any], why: str) -> None:
    (line,) = raws.plain([spec]).undecidable

    assert line.startswith("type of weather:x: ")
    assert why in line


def newer(raw: RawObject) -> RawObject:
    return RawObject(kind=raw.kind, name=raw.name, definition=raw.definition, unknown_fields=True)


UNDECIDABLE = {
    "feature service 'delay_v1' is not among the objects": [view()],
    "view 'weather' is not among the objects": [service(projection())],
    "view 'weather', a source of 'warmth', is not among the objects": [
        on_demand_view(),
        service(projection("warmth", {"warm": "Float64"})),
    ],
    "feature_view/weather was written by a newer Feast: it has fields that are not known": [
        newer(view()),
        service(projection()),
    ],
    "feature_view/weather: spec.colour is not known to this version of trilock": [
        view(colour="red"),
        service(projection()),
    ],
    "feature_view/weather: spec.batch_source.iceberg_options is not known to this version of"
    " trilock": [view(batch_source=source(iceberg_options={})), service(projection())],
    "permission/p: its kind is not known to this version of trilock": [
        view(),
        service(projection()),
        RawObject(kind="permission", name="p", definition={}, unknown_fields=False),
    ],
    "weather@v2 is pinned to a version of the view that is not among the objects": [
        view(),
        service(projection(version_tag=2)),
    ],
}


@pytest.mark.parametrize("line", UNDECIDABLE)
def test_missing_evidence_is_undecidable(line: str) -> None:
    assert parsed(*UNDECIDABLE[line]).undecidable == (line,)


BROKEN = {
    "feature service 'delay_v1' takes 'wind' of 'weather', which is gone": [
        view(features={"temp": "Float64"}),
        service(projection()),
    ],
    "feature service 'delay_v1' takes weather:temp as Float64, but it is String in the view": [
        view(features={"temp": "String", "wind": "Float64"}),
        service(projection()),
    ],
    "view 'warmth' takes 'wind' of 'weather', which is gone": [
        view(features={"temp": "Float64"}),
        on_demand_view(),
        service(projection("warmth", {"warm": "Float64"})),
    ],
    "view 'weather' is disabled": [view(disabled=True), service(projection())],
    "'airport' is wanted as String and as Int64": [
        view(),
        view("runways", {"n": "Float64"}, keys={"airport": "Int64"}),
        service(projection(), projection("runways", {"n": "Float64"})),
    ],
    "view 'warmth' is made from itself": [
        on_demand_view(
            sources={
                "warmth": {"feature_view_projection": projection("warmth", {"warm": "Float64"})}
            }
        ),
        service(projection("warmth", {"warm": "Float64"})),
    ],
}


@pytest.mark.parametrize("line", BROKEN)
def test_what_feast_could_not_serve_is_broken(line: str) -> None:
    assert parsed(*BROKEN[line]).broken == (line,)


def test_the_contract_is_shown_as_json() -> None:
    found = raws.plain({"temp": "Float64"}, request_fields={"distance": "Int32"})

    assert found.contract_json() == {
        "features": [
            {
                "view": "asked",
                "name": "distance_km",
                "type": "Float64",
                "vector_length": None,
                "nullable": False,
            },
            {
                "view": "weather",
                "name": "temp",
                "type": "Float64",
                "vector_length": None,
                "nullable": True,
            },
        ],
        "join_keys": {"airport": "String"},
        "request_fields": {"distance": "Int32"},
    }


NAMES = st.sampled_from(
    [
        "spec",
        "name",
        "features",
        "feature_columns",
        "feature_view_name",
        "entity_columns",
        "value_type",
        "tags",
        "sources",
        "feature_view_projection",
        "request_data_source",
        "request_data_options",
        "schema",
        "batch_source",
        "feature_transformation",
        "user_defined_function",
        "body",
        "body_text",
        "join_key_map",
        "entities",
        "vector_length",
        "ttl",
    ]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


@given(
    st.lists(
        st.builds(
            RawObject,
            kind=st.sampled_from([*ROOTS, "permission"]),
            name=st.sampled_from(["delay_v1", "weather", ""]),
            definition=st.dictionaries(NAMES, junk, max_size=4),
            unknown_fields=st.just(value=False),
        ),
        max_size=4,
    )
)
def test_no_object_however_malformed_makes_it_raise(objects: list[RawObject]) -> None:
    found = parse_features(objects, service="delay_v1")

    assert len(found.digests.contract) == 64
