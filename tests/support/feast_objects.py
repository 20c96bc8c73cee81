"""The definitions of a small feature store as JSON, for MemoryFeatureStore.

The same three variants of one service that feast_repo has in Python.
"""

from typing import Final

from trilock.compat import RawObject

SCALES: Final = {"celsius": 1.0, "scaled": 100.0}
"""By source: what its values are multiplied with."""


def source_of(variant: str) -> str:
    """Return the source that *variant* reads. `wider` is `celsius` with one feature more."""
    return "celsius" if variant == "wider" else variant


def feast_objects(variant: str) -> list[RawObject]:
    """Return entities, sources, views and services of *variant*."""
    source = {
        "name": "weather_source",
        "type": 1,
        "timestamp_field": "event_timestamp",
        "file_options": {"uri": f"data/{source_of(variant)}.parquet"},
    }
    trip = {"name": "trip", "type": 7}
    features = [{"name": "temp", "value_type": 5}]
    if variant in {"scaled", "wider"}:
        features.append({"name": "humidity", "value_type": 5})
    weather = {
        "name": "weather",
        "entities": ["origin"],
        "features": features,
        "ttl": "2592000s",
        "online": True,
        "batch_source": source,
    }
    projection = {"feature_view_name": "weather", "feature_columns": features}
    derived = {
        "name": "derived",
        "features": [{"name": "temp_distance", "value_type": 5}],
        "sources": {
            "weather": {"feature_view_projection": projection},
            "trip": {"request_data_source": trip},
        },
    }
    airports = {"name": "airports", "entities": ["origin"], "online": True}
    columns = {"feature_view_name": "derived", "feature_columns": derived["features"]}
    definitions: list[tuple[str, dict[str, object]]] = [
        ("entity", {"spec": {"name": "origin", "join_key": "origin"}}),
        ("data_source", source),
        ("data_source", trip),
        ("feature_view", {"spec": weather}),
        ("feature_view", {"spec": airports}),
        ("on_demand_feature_view", {"spec": derived}),
        ("feature_service", {"spec": {"name": "delay", "features": [projection, columns]}}),
        (
            "feature_service",
            {"spec": {"name": "places", "features": [{"feature_view_name": "airports"}]}},
        ),
    ]
    return [
        RawObject(kind=kind, name=_name(definition), definition=definition, unknown_fields=False)
        for kind, definition in definitions
    ]


def _name(definition: dict[str, object]) -> str:
    head = definition.get("spec", definition)
    assert isinstance(head, dict)
    return str(head["name"])
