"""A digest changes exactly when its class of thing changes, and in no other way.

Golden files hold the digests and contracts of form version 1. If one of these
tests fails without a new form version, recorded bundles are no longer found.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compat import raws
from tests.compat.raws import entity, field, on_demand_view, projection, service, source, view
from trilock.compat import FeatureSet, RawObject, parse_features

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]


def objects() -> list[RawObject]:
    """Return a closure with everything in it."""
    request = raws.request({"distance": "Float64"})
    return [
        entity(description="an airport", tags={"team": "ops"}),
        view(
            "weather",
            [
                field("temp", "Float64", description="outside"),
                field("sky", 'Struct{"cover": "INT32", "clouds": "Array(STRING)"}'),
                field("grid", "Float64") | {"value_type": 42, "tags": GRID},
                field("vec", "Array(Float32)", vector_index=True, vector_length=8),
            ],
            owner="ops@example.com",
        ),
        on_demand_view(
            sources={
                "weather": {"feature_view_projection": projection(features={"temp": "Float64"})},
                "request": request,
            }
        ),
        service(
            projection(
                "weather",
                [
                    field("temp", "Float64"),
                    field("sky", 'Struct{"cover": "INT32", "clouds": "Array(STRING)"}'),
                    field("grid", "Float64") | {"value_type": 42, "tags": GRID},
                    field("vec", "Array(Float32)", vector_index=True, vector_length=8),
                ],
                feature_view_name_alias="origin",
                join_key_map={"airport": "origin_airport"},
            ),
            projection("warmth", {"warm": "Float64"}),
            tags={"model": "delay"},
        ),
    ]


GRID = {"feast:nested_inner_type": "Array(Array(FLOAT64))"}


def parsed(raw: list[RawObject]) -> FeatureSet:
    return parse_features(raw, service="delay_v1")


def shown(features: FeatureSet) -> Any:
    return {
        "contract": features.contract_json(),
        "digests": {
            "contract": features.digests.contract,
            "semantics": features.digests.semantics,
            "docs": features.digests.docs,
        },
        "semantics": dict(features.semantics),
    }


def test_golden() -> None:
    features = parsed(objects())

    assert (features.broken, features.undecidable) == ((), ())
    assert shown(features) == json.loads((GOLDEN / "flights_v1.json").read_text())


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_golden_in_another_process_with_another_hash_seed(seed: str) -> None:
    program = (
        "import json; from tests.compat.test_digests import objects, parsed, shown;"
        "print(json.dumps(shown(parsed(objects()))))"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert json.loads(finished.stdout) == json.loads((GOLDEN / "flights_v1.json").read_text())


def changed(before: list[RawObject], after: list[RawObject]) -> set[str]:
    old, new = parsed(before).digests, parsed(after).digests
    return {
        part
        for part in ("contract", "semantics", "docs")
        if getattr(old, part) != getattr(new, part)
    }


def bent(kind: str, **spec: Any) -> list[RawObject]:
    """Return the closure with fields of one object's spec replaced; None removes one."""
    found = []
    for raw in objects():
        if raw.kind != kind:
            found.append(raw)
            continue
        merged = {**raw.definition["spec"], **spec}
        kept = {key: value for key, value in merged.items() if value is not None}
        found.append(
            RawObject(
                kind=raw.kind,
                name=raw.name,
                definition={**raw.definition, "spec": kept},
                unknown_fields=False,
            )
        )
    return found


def transformation(**more: Any) -> dict[str, Any]:
    function = {"name": "warmth", "body": "gASV", "body_text": raws.UDF, "mode": "pandas"}
    return {"user_defined_function": {**function, **more}}


def sourced(**more: Any) -> list[RawObject]:
    return bent("feature_view", batch_source=source(**more))


NOTHING: dict[str, list[RawObject]] = {
    "order of objects": objects()[::-1],
    "order of keys": [
        RawObject(
            kind=raw.kind,
            name=raw.name,
            definition=json.loads(
                json.dumps(raw.definition), object_pairs_hook=lambda pairs: dict(pairs[::-1])
            ),
            unknown_fields=False,
        )
        for raw in objects()
    ],
    "order of projections": bent(
        "feature_service", features=objects()[3].definition["spec"]["features"][::-1]
    ),
    "order of features": bent(
        "feature_view", features=objects()[1].definition["spec"]["features"][::-1]
    ),
    "project": bent("feature_view", project="delay__s3"),
    "version": bent("feature_view", version="v3"),
    "times": sourced(meta={"created_timestamp": "2027-01-01T00:00:00Z"}),
    "project of a source": sourced(project="delay__s3"),
    "defaults spelled out": bent("feature_view", offline=False, mode="", disabled=False),
    "body": bent("on_demand_feature_view", feature_transformation=transformation(body="gASW")),
    "lines above and below": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(body_text=f"\n\n{raws.UDF}\n\n"),
    ),
    "indentation": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(
            body_text="".join(f"    {line}\n" for line in raws.UDF.splitlines())
        ),
    ),
    "comments": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(
            body_text=raws.UDF.replace("# Fahrenheit", "# not Celsius")
        ),
    ),
    "decorator": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(
            body_text=raws.UDF.replace("sources=[weather], ", "")
        ),
    ),
    "docstring": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(
            body_text=raws.UDF.replace("    # Fahrenheit", '    """Warmth."""')
        ),
    ),
}

DOCS: dict[str, list[RawObject]] = {
    "description": bent("entity", description="an airport of the US"),
    "owner": bent("feature_view", owner="data@example.com"),
    "tags": bent("feature_service", tags={"model": "eta"}),
    "tags of a source": sourced(tags={"bucket": "a"}),
    "description of a feature": bent(
        "feature_view",
        features=[
            field("temp", "Float64", description="in the shade"),
            *objects()[1].definition["spec"]["features"][1:],
        ],
    ),
    "tags of a feature that are not its type": bent(
        "feature_view",
        features=[
            field("temp", "Float64", description="outside", tags={"unit": "F"}),
            *objects()[1].definition["spec"]["features"][1:],
        ],
    ),
}

SEMANTICS: dict[str, list[RawObject]] = {
    "transformation": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(body_text=raws.UDF.replace("70.0", "21.0")),
    ),
    "type of a constant": bent(
        "on_demand_feature_view",
        feature_transformation=transformation(body_text=raws.UDF.replace("70.0", "70")),
    ),
    "mode of a transformation": bent(
        "on_demand_feature_view", feature_transformation=transformation(mode="python")
    ),
    "ttl": bent("feature_view", ttl="3600s"),
    "no ttl": bent("feature_view", ttl=None),
    "path": sourced(file_options={"uri": "data/other.parquet"}),
    "query": sourced(file_options=None, snowflake_options={"query": "SELECT 1"}),
    "timestamp field": sourced(timestamp_field="seen_at"),
    "field mapping": sourced(field_mapping={"t": "temp"}),
    "online": bent("feature_view", online=False),
    "singleton": bent("on_demand_feature_view", singleton=True),
    "precomputed": bent("feature_service", precompute_online=True),
    "aggregation": bent(
        "on_demand_feature_view", aggregations=[{"column": "temp", "function": "mean"}]
    ),
    "what an on-demand view reads": bent(
        "on_demand_feature_view",
        sources={
            **objects()[2].definition["spec"]["sources"],
            "weather": {
                "feature_view_projection": projection(
                    features={"temp": "Float64"}, timestamp_field="seen_at"
                )
            },
        },
    ),
    "search metric of a vector": bent(
        "feature_view",
        features=[
            *objects()[1].definition["spec"]["features"][:3],
            field(
                "vec",
                "Array(Float32)",
                vector_index=True,
                vector_length=8,
                vector_search_metric="cosine",
            ),
        ],
    ),
}


def taking(features: raws.Fields, **more: Any) -> list[RawObject]:
    """Return the closure with another view and service over it."""
    return [
        entity(description="an airport", tags={"team": "ops"}),
        view("weather", features, **more),
        service(projection("weather", features)),
    ]


@pytest.mark.parametrize("about", NOTHING)
def test_noise_changes_no_digest(about: str) -> None:
    assert changed(objects(), NOTHING[about]) == set()


@pytest.mark.parametrize("about", DOCS)
def test_docs_change_the_docs_digest_only(about: str) -> None:
    assert changed(objects(), DOCS[about]) == {"docs"}


@pytest.mark.parametrize("about", SEMANTICS)
def test_how_values_are_made_changes_the_semantics_digest_only(about: str) -> None:
    assert changed(objects(), SEMANTICS[about]) == {"semantics"}


@pytest.mark.parametrize(
    "features",
    [
        {"temp": "Float64", "wind": "Float64"},
        {"temp": "Float32"},
        {"temperature": "Float64"},
        [field("temp", 'Struct{"a": "INT64"}')],
    ],
    ids=["added", "retyped", "renamed", "struct"],
)
def test_what_a_consumer_sees_changes_the_contract_digest_only(features: raws.Fields) -> None:
    assert changed(taking({"temp": "Float64"}), taking(features)) == {"contract"}


def test_the_inner_type_of_a_struct_is_part_of_the_contract() -> None:
    one, other = (taking([field("s", f'Struct{{"a": "{inner}"}}')]) for inner in ("INT64", "BOOL"))

    assert changed(one, other) == {"contract"}


def test_no_ttl_is_a_ttl_of_nothing() -> None:
    """Feast's `from_proto` turns the one into the other."""
    assert changed(bent("feature_view", ttl=None), bent("feature_view", ttl="0s")) == set()


def test_the_inner_type_of_an_input_is_part_of_the_semantics() -> None:
    def reading(inner: str) -> list[RawObject]:
        sky = [field("sky", f'Struct{{"cover": "{inner}"}}')]
        sources = {"weather": {"feature_view_projection": projection(features=sky)}}
        return [
            view(features=sky),
            on_demand_view(sources=sources),
            service(projection("warmth", {"warm": "Float64"})),
        ]

    assert changed(reading("INT32"), reading("INT64")) == {"semantics"}


def test_join_keys_are_both_asked_for_and_found_by() -> None:
    one, other = (
        taking({"temp": "Float64"}, keys={name: "String"}) for name in ("airport", "gate")
    )

    assert changed(one, other) == {"contract", "semantics"}


def test_an_alias_is_what_a_consumer_sees() -> None:
    one = [view(), service(projection())]
    other = [view(), service(projection(feature_view_name_alias="origin"))]

    assert changed(one, other) == {"contract"}


def test_swapped_join_keys_look_the_same_and_are_not() -> None:
    keys = {"a": "String", "b": "String"}

    def mapped(renamed: dict[str, str]) -> list[RawObject]:
        return [view(keys=keys), service(projection(join_key_map=renamed))]

    assert changed(mapped({"a": "x", "b": "y"}), mapped({"a": "y", "b": "x"})) == {"semantics"}


def test_the_semantics_of_a_feature_cover_what_it_is_made_from() -> None:
    def semantics(raw: list[RawObject]) -> dict[str, str]:
        return {feature.ref: feature.semantics for feature in parsed(raw).features}

    before, after = semantics(objects()), semantics(bent("feature_view", ttl="60s"))

    assert {ref for ref in before if before[ref] != after[ref]} == set(before)


def test_a_change_of_one_view_leaves_the_features_of_another() -> None:
    def made(ttl: str) -> FeatureSet:
        raw = [view("a", {"x": "Bool"}), view("b", {"y": "Bool"}, ttl=ttl)]
        projections = [projection("a", {"x": "Bool"}), projection("b", {"y": "Bool"})]
        return parsed([*raw, service(*projections)])

    before, after = made("60s"), made("61s")

    assert [
        a.semantics == b.semantics for a, b in zip(before.features, after.features, strict=True)
    ] == [True, False]
