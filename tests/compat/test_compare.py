"""What differs between two feature schemas, and that everything that differs is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compat import raws
from tests.compat.raws import UDF, entity, on_demand_view, projection, service, source, view
from trilock.compat import RawObject, parse_features
from trilock.compat.compare import (
    Closure,
    Difference,
    Kind,
    Part,
    compare_features,
    compare_json,
    signature_form,
)


def closure(
    *objects: RawObject, name: str = "delay_v1", projections: list[Any] | None = None
) -> Closure:
    shown = [projection()] if projections is None else projections
    return Closure(service=name, objects=(*objects, service(*shown, name=name)))


def flights(text: str = UDF, name: str = "delay_v1", **more: Any) -> Closure:
    return closure(
        entity(),
        view(**more),
        on_demand_view(body_text=text),
        name=name,
        projections=[projection(), projection("warmth", {"warm": "Float64"})],
    )


def told(before: Closure, after: Closure) -> list[tuple[Any, ...]]:
    return [
        (one.part, one.kind, one.path, one.field, one.before, one.after)
        for one in compare_features(before, after)
    ]


def test_the_same_differs_in_nothing() -> None:
    assert compare_features(flights(), flights()) == ()


def test_features_that_a_consumer_sees() -> None:
    before = closure(view(), projections=[projection()])
    now = {"temp": "Float32", "gust": "Float64"}
    after = closure(view(features=now), projections=[projection(features=now)])

    assert [one[:6] for one in told(before, after) if one[0] is Part.CONTRACT] == [
        (Part.CONTRACT, Kind.ADDED, "weather:gust", "", "", "Float64"),
        (Part.CONTRACT, Kind.CHANGED, "weather:temp", "", "Float64", "Float32"),
        (Part.CONTRACT, Kind.REMOVED, "weather:wind", "", "Float64", ""),
    ]


def test_join_keys_and_request_fields() -> None:
    asked = on_demand_view(
        "asked",
        {"distance_km": "Float64"},
        sources={"request": raws.request({"distance": "Float64"})},
    )
    shown = [projection(), projection("asked", {"distance_km": "Float64"})]

    found = told(
        closure(view(), asked, projections=shown),
        closure(view(keys={"airport_id": "Int64"}), projections=[projection()]),
    )

    assert [one for one in found if one[0] is Part.CONTRACT] == [
        (Part.CONTRACT, Kind.REMOVED, "asked:distance_km", "", "Float64, never missing", ""),
        (Part.CONTRACT, Kind.REMOVED, "join key airport", "", "String", ""),
        (Part.CONTRACT, Kind.ADDED, "join key airport_id", "", "", "Int64"),
        (Part.CONTRACT, Kind.REMOVED, "request field distance", "", "Float64", ""),
    ]


def test_a_changed_transformation_is_shown_as_a_source_diff() -> None:
    (one,) = compare_features(flights(), flights(text=UDF.replace("70.0", "21.0")))

    assert one == Difference(
        part=Part.SEMANTICS,
        path="on_demand_feature_view/warmth",
        kind=Kind.CHANGED,
        field="transformation",
        source="""\
--- a/on_demand_feature_view/warmth
+++ b/on_demand_feature_view/warmth
@@ -2,5 +2,5 @@
 def warmth(inputs: pd.DataFrame) -> pd.DataFrame:
     # Fahrenheit
     frame = pd.DataFrame()
-    frame["warm"] = inputs["temp"] - 70.0
+    frame["warm"] = inputs["temp"] - 21.0
     return frame""",
        affects=("warmth:warm",),
    )


def test_a_comment_is_no_difference() -> None:
    assert compare_features(flights(), flights(text=UDF.replace("# Fahrenheit", "# F"))) == ()


def test_how_values_are_made_is_told_with_the_features_it_makes() -> None:
    moved = source(file_options={"uri": "data/other.parquet"})

    found = compare_features(flights(), flights(batch_source=moved, ttl="60s"))

    assert [(one.path, one.field, one.before, one.after, one.affects) for one in found] == [
        (
            "feature_view/weather",
            "spec.batch_source.file_options.file_format.parquet_format",
            "{}",
            "",
            ("warmth:warm", "weather:temp", "weather:wind"),
        ),
        (
            "feature_view/weather",
            "spec.batch_source.file_options.uri",
            "data/weather.parquet",
            "data/other.parquet",
            ("warmth:warm", "weather:temp", "weather:wind"),
        ),
        (
            "feature_view/weather",
            "spec.ttl",
            "86400s",
            "60s",
            ("warmth:warm", "weather:temp", "weather:wind"),
        ),
    ]


def test_objects_that_came_and_went() -> None:
    found = told(closure(entity(), view()), closure(entity("station"), view()))

    assert found == [
        (Part.SEMANTICS, Kind.REMOVED, "entity/airport", "", "", ""),
        (Part.SEMANTICS, Kind.ADDED, "entity/station", "", "", ""),
    ]


def test_docs_are_told_last_and_apart() -> None:
    before = flights(description="old", tags={"team": "a"})
    after = flights(description="new", tags={"team": "a", "tier": "1"})

    assert told(before, after) == [
        (Part.DOCS, Kind.CHANGED, "feature_view/weather", "spec.description", "old", "new"),
        (Part.DOCS, Kind.ADDED, "feature_view/weather", "spec.tags.tier", "", "1"),
    ]


def test_another_name_of_the_service_is_no_difference() -> None:
    assert compare_features(flights(), flights(name="delay_v2")) == ()


def test_a_password_in_an_address_is_not_shown() -> None:
    secret = source(file_options={"uri": "https://ann:hunter2@host/x"})

    found = compare_features(flights(), flights(batch_source=secret))

    assert "hunter2" not in repr(found)
    assert "https://ann:***@host/x" in [one.after for one in found]


@pytest.mark.parametrize("text", ["def broken(", "", "\x00", "lambda x: x"])
def test_a_text_that_is_no_python_is_compared_and_never_run(text: str) -> None:
    found = compare_features(flights(), flights(text=text))

    assert {one.part for one in found} == {Part.SEMANTICS}


def test_json_is_compared_leaf_by_leaf() -> None:
    before = {"image": "a", "limits": {"cpu": 1, "args": ["x", "y"]}, "gone": {}}
    after = {"image": "b", "limits": {"cpu": 1, "args": ["x", "z", {"name": "n"}]}}

    found = compare_json(Part.SERVING, "serving_config", before, after)

    assert [(one.kind, one.field, one.before, one.after) for one in found] == [
        (Kind.REMOVED, "gone", "{}", ""),
        (Kind.CHANGED, "image", "a", "b"),
        (Kind.CHANGED, "limits.args[1]", "y", "z"),
        (Kind.ADDED, "limits.args[2].name", "", "n"),
    ]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (None, {}),
        ("[{]", {"text": "[{]"}),
        ("7", {"text": "7"}),
        (
            '[{"name": "a", "type": "long"}, {"type": "double"}, {"name": "a"}]',
            {
                "a": {"name": "a", "type": "long"},
                "#1": {"type": "double"},
                "#2": {"name": "a"},
            },
        ),
    ],
)
def test_a_signature_is_told_by_name_and_never_refused(
    text: str | None, form: dict[str, Any]
) -> None:
    assert signature_form(text) == form


types = st.dictionaries(
    st.sampled_from(["temp", "wind", "gust"]), st.sampled_from(["Float64", "Int64"]), min_size=1
)
closures = st.builds(
    lambda shown, ttl, about, text: closure(
        entity(),
        view(features=shown, ttl=ttl, description=about),
        on_demand_view(body_text=text),
        projections=[projection(features=shown), projection("warmth", {"warm": "Float64"})],
    ),
    types,
    st.sampled_from(["60s", "86400s"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([UDF, UDF.replace("70.0", "21.0"), UDF.replace("# Fahrenheit", "")]),
)


@given(closures, closures)
def test_something_is_told_of_a_part_exactly_when_its_digest_changes(
    before: Closure, after: Closure
) -> None:
    old = parse_features(before.objects, service="delay_v1").digests
    new = parse_features(after.objects, service="delay_v1").digests

    parts = {one.part for one in compare_features(before, after)}

    assert parts == {
        part
        for part, some, other in (
            (Part.CONTRACT, old.contract, new.contract),
            (Part.SEMANTICS, old.semantics, new.semantics),
            (Part.DOCS, old.docs, new.docs),
        )
        if some != other
    }


@given(closures, closures)
def test_the_way_back_tells_the_reverse(before: Closure, after: Closure) -> None:
    mirror = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED, Kind.CHANGED: Kind.CHANGED}

    there = compare_features(before, after)
    back = compare_features(after, before)

    assert [(one.path, one.field, mirror[one.kind], one.after, one.before) for one in there] == [
        (one.path, one.field, one.kind, one.before, one.after) for one in back
    ]
