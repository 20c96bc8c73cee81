"""Raw registry objects as the Feast plane describes them, for tests to build and bend."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trilock.compat import FeatureSet, RawObject, Signature, parse_features, parse_signature

TYPES = {
    "Bytes": 1,
    "String": 2,
    "Int32": 3,
    "Int64": 4,
    "Float64": 5,
    "Float32": 6,
    "Bool": 7,
    "UnixTimestamp": 8,
    "Array(String)": 12,
    "Array(Int32)": 13,
    "Array(Int64)": 14,
    "Array(Float64)": 15,
    "Array(Float32)": 16,
    "Map": 20,
    "Set(Int64)": 25,
    "Json": 32,
    "Uuid": 36,
    "Decimal": 44,
    "ZonedTimestamp": 48,
}

UDF = """\
@on_demand_feature_view(sources=[weather], schema=[Field(name="warm", dtype=Float64)])
def warmth(inputs: pd.DataFrame) -> pd.DataFrame:
    # Fahrenheit
    frame = pd.DataFrame()
    frame["warm"] = inputs["temp"] - 70.0
    return frame
"""


def field(name: str, type_: str, **more: Any) -> dict[str, Any]:
    """Return a FeatureSpecV2."""
    if type_.startswith("Struct"):
        return {"name": name, "value_type": 34, "tags": {"feast:struct_schema": type_[6:]}, **more}
    return {"name": name, "value_type": TYPES[type_], **more}


Fields = Mapping[str, str] | list[dict[str, Any]]
"""Types by name, or ready FeatureSpecV2s."""


def fields(types: Fields) -> list[dict[str, Any]]:
    if isinstance(types, list):
        return types
    return [field(name, type_) for name, type_ in types.items()]


def source(name: str = "weather_source", **more: Any) -> dict[str, Any]:
    """Return a DataSource."""
    return {
        "name": name,
        "type": 1,
        "timestamp_field": "event_timestamp",
        "file_options": {"uri": "data/weather.parquet", "file_format": {"parquet_format": {}}},
        "data_source_class_type": "feast.infra.offline_stores.file_source.FileSource",
        "meta": {"created_timestamp": "2026-01-01T00:00:00Z"},
        **more,
    }


def view(
    name: str = "weather",
    features: Fields | None = None,
    *,
    keys: Mapping[str, str] | None = None,
    **more: Any,
) -> RawObject:
    """Return a feature view."""
    types = {"temp": "Float64", "wind": "Float64"} if features is None else features
    return RawObject(
        kind="feature_view",
        name=name,
        definition={
            "spec": {
                "name": name,
                "project": "flights",
                "entities": ["airport"],
                "features": fields(types),
                "entity_columns": fields({"airport": "String"} if keys is None else keys),
                "ttl": "86400s",
                "batch_source": source(),
                "online": True,
                "version": "latest",
                **more,
            },
            "meta": {"created_timestamp": "2026-01-01T00:00:00Z"},
        },
        unknown_fields=False,
    )


def projection(
    name: str = "weather", features: Fields | None = None, **more: Any
) -> dict[str, Any]:
    """Return a FeatureViewProjection."""
    types = {"temp": "Float64", "wind": "Float64"} if features is None else features
    return {
        "feature_view_name": name,
        "feature_columns": fields(types),
        "batch_source": source(),
        "view_type": "featureView",
        **more,
    }


def on_demand_view(
    name: str = "warmth",
    features: Fields | None = None,
    *,
    sources: Mapping[str, Any] | None = None,
    body_text: str = UDF,
    body: str = "gASV",
    **more: Any,
) -> RawObject:
    """Return an on-demand feature view."""
    inputs = {"weather": {"feature_view_projection": projection()}} if sources is None else sources
    return RawObject(
        kind="on_demand_feature_view",
        name=name,
        definition={
            "spec": {
                "name": name,
                "features": fields({"warm": "Float64"} if features is None else features),
                "sources": inputs,
                "feature_transformation": {
                    "user_defined_function": {
                        "name": name,
                        "body": body,
                        "body_text": body_text,
                        "mode": "pandas",
                    }
                },
                "mode": "pandas",
                **more,
            }
        },
        unknown_fields=False,
    )


def request(types: Mapping[str, str]) -> dict[str, Any]:
    """Return a request source, as an on-demand view holds it."""
    return {
        "request_data_source": {
            "name": "request",
            "type": 7,
            "request_data_options": {"schema": fields(types)},
        }
    }


def entity(name: str = "airport", **more: Any) -> RawObject:
    return RawObject(
        kind="entity",
        name=name,
        definition={"spec": {"name": name, "value_type": 2, "join_key": name, **more}},
        unknown_fields=False,
    )


def service(*projections: Mapping[str, Any], name: str = "delay_v1", **more: Any) -> RawObject:
    return RawObject(
        kind="feature_service",
        name=name,
        definition={"spec": {"name": name, "features": list(projections), **more}},
        unknown_fields=False,
    )


def plain(
    features: Fields,
    *,
    keys: Mapping[str, str] | None = None,
    request_fields: Mapping[str, str] | None = None,
    **more: Any,
) -> FeatureSet:
    """Return the features of a service over one view `weather`, and `more` for its spec."""
    objects = [entity(), view(features=features, keys=keys, **more)]
    projections = [projection(features=features)]
    if request_fields:
        objects.append(
            on_demand_view(
                "asked", {"distance_km": "Float64"}, sources={"request": request(request_fields)}
            )
        )
        projections.append(projection("asked", {"distance_km": "Float64"}))
    return parse_features([*objects, service(*projections)], service="delay_v1")


def flights(*, text: str = UDF, body: str = "gASV", **more: Any) -> FeatureSet:
    """Return a service over a view and an on-demand view that is made from it."""
    objects = [entity(), view(**more), on_demand_view(body_text=text, body=body)]
    projections = [projection(), projection("warmth", {"warm": "Float64"})]
    return parse_features([*objects, service(*projections)], service="delay_v1")


def columns(types: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return ColSpecs: `"double"`, `"double?"` for an optional one, or a whole type."""
    specs = []
    for name, type_ in types.items():
        if isinstance(type_, str):
            spec: dict[str, Any] = {
                "type": type_.removesuffix("?"),
                "required": not type_.endswith("?"),
            }
        else:
            spec = {"required": True, **type_}
        specs.append({"name": name, **spec})
    return specs


def signature(
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    outputs: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),
) -> Signature:
    """Return a signature; mappings are named columns, sequences are MLflow's own JSON."""

    def text(specs: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str | None:
        entries = columns(specs) if isinstance(specs, Mapping) else list(specs)
        return json.dumps(entries) if entries else None

    parsed = parse_signature(inputs=text(inputs), outputs=text(outputs), params=None)
    assert parsed is not None
    return parsed


def tensor(dtype: str, *shape: int, name: str | None = None) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, **named}
