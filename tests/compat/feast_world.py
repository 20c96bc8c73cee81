"""A real Feast with a feature of every type, and its protos' descriptors.

Importing this imports Feast, which takes seconds: tests do so in a fixture.
"""

import datetime as dt
import importlib.util
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RequestSource,
    ValueType,
)
from feast import types as f
from feast.on_demand_feature_view import on_demand_feature_view
from feast.protos.feast.core import (
    DataSource_pb2,
    Entity_pb2,
    FeatureService_pb2,
    FeatureView_pb2,
    LabelView_pb2,
    OnDemandFeatureView_pb2,
    StreamFeatureView_pb2,
)
from feast.repo_config import RepoConfig
from google.protobuf.json_format import MessageToDict

from trilock.compat.feast_types import FeatureType, feature_type
from trilock.compat.features import FeatureSet
from trilock.compat.frame import Batch, Frame, ServingPath, build_frame
from trilock.compat.parse_features import parse_features
from trilock.compat.proto_shapes import OPAQUE, ROOTS, SHAPES
from trilock.compat.raw import RawObject

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
ONE, TWO = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))

Frames = Mapping[tuple[ServingPath, Batch], tuple[pd.DataFrame, Frame]]
"""Feast's frame and ours, per serving path and batch."""


def feast_types() -> Mapping[str, tuple[Any, list[Any], Any]]:
    """Return, per feature, Feast's type, the values of two rows, and their type in the source."""

    text = pa.string()
    struct = pa.struct([("a", pa.int64()), ("b", text)])
    wide = [
        ("i", pa.int32()),
        ("l", pa.int64()),
        ("f", pa.float32()),
        ("s", text),
        ("b", pa.bool_()),
    ]
    record = {"i": 1, "l": 2, "f": 1.5, "s": "x", "b": True}
    wide_type = f.Struct({"i": f.Int32, "l": f.Int64, "f": f.Float32, "s": f.String, "b": f.Bool})
    time = pa.timestamp("us", tz="UTC")
    pairs = pa.map_(text, text)
    scalars: dict[str, tuple[Any, list[Any], Any]] = {
        "int32": (f.Int32, [5, 6], pa.int32()),
        "int64": (f.Int64, [5, 6], pa.int64()),
        "float32": (f.Float32, [1.5, 2.5], pa.float32()),
        "float64": (f.Float64, [1.5, 2.5], pa.float64()),
        "bool": (f.Bool, [True, False], pa.bool_()),
        "string": (f.String, ["a", "b"], text),
        "bytes": (f.Bytes, [b"a", b"b"], pa.binary()),
        "pdf_bytes": (f.PdfBytes, [b"a", b"b"], pa.binary()),
        "image_bytes": (f.ImageBytes, [b"a", b"b"], pa.binary()),
        "unix_timestamp": (f.UnixTimestamp, [NOW, NOW], time),
        "json": (f.Json, ['{"a": 1}', '{"b": 2}'], text),
        "uuid": (f.Uuid, [ONE, TWO], text),
        "time_uuid": (f.TimeUuid, [ONE, TWO], text),
        "decimal": (f.Decimal, ["1.5", "2.5"], text),
        "map": (f.Map, [{"a": "x"}, {"b": "y"}], pairs),
    }
    lists: dict[str, tuple[Any, list[Any], Any]] = {
        "list_int32": (f.Array(f.Int32), [[1, 2], [3]], pa.list_(pa.int32())),
        "list_int64": (f.Array(f.Int64), [[1, 2], [3]], pa.list_(pa.int64())),
        "list_float32": (f.Array(f.Float32), [[1.5, 2], [3]], pa.list_(pa.float32())),
        "list_float64": (f.Array(f.Float64), [[1.5, 2], [3]], pa.list_(pa.float64())),
        "list_bool": (f.Array(f.Bool), [[True, False], [True]], pa.list_(pa.bool_())),
        "list_string": (f.Array(f.String), [["a", "b"], ["c"]], pa.list_(text)),
        "list_bytes": (f.Array(f.Bytes), [[b"a"], [b"c"]], pa.list_(pa.binary())),
        "list_time": (f.Array(f.UnixTimestamp), [[NOW], [NOW]], pa.list_(time)),
        "list_uuid": (f.Array(f.Uuid), [[ONE], [TWO]], pa.list_(text)),
        "list_decimal": (f.Array(f.Decimal), [["1.5"], ["2.5"]], pa.list_(text)),
        "list_struct": (
            f.Array(f.Struct({"a": f.Int64, "b": f.String})),
            [[{"a": 1, "b": "x"}]] * 2,
            pa.list_(struct),
        ),
        "list_list": (
            f.Array(f.Array(f.Int64)),
            [[[1, 2], [3]], [[4]]],
            pa.list_(pa.list_(pa.int64())),
        ),
        "list_list_float32": (
            f.Array(f.Array(f.Float32)),
            [[[1.5, 2], [3]], [[4]]],
            pa.list_(pa.list_(pa.float32())),
        ),
        "set_int64": (f.Set(f.Int64), [[1, 2], [3]], pa.list_(pa.int64())),
        "set_int32": (f.Set(f.Int32), [[1, 2], [3]], pa.list_(pa.int32())),
        "set_float32": (f.Set(f.Float32), [[1.5, 2], [3]], pa.list_(pa.float32())),
        "set_string": (f.Set(f.String), [["a"], ["c"]], pa.list_(text)),
        "set_list": (
            f.Set(f.Array(f.Int64)),
            [[[1, 2], [3]], [[4]]],
            pa.list_(pa.list_(pa.int64())),
        ),
        "struct": (wide_type, [record] * 2, pa.struct(wide)),
    }
    return scalars | lists


def never_fed() -> Mapping[str, tuple[Any, list[Any], Any]]:
    """Return the types that Feast declares and cannot put into an online store."""
    pairs = pa.map_(pa.string(), pa.string())
    return {
        "scalar_map": (f.ScalarMap, [[("a", "x")], [("b", "y")]], pairs),
        "list_map": (f.Array(f.Map), [[[("a", "x")]], [[("b", "y")]]], pa.list_(pairs)),
        "zoned_timestamp": (f.ZonedTimestamp, [NOW, NOW], pa.timestamp("us", tz="UTC")),
    }


def plain_types() -> Mapping[str, Any]:
    """Return what `in_plain_python` makes."""
    return {
        "plain_float": f.Float64,
        "plain_int": f.Int64,
        "plain_bool": f.Bool,
        "plain_text": f.String,
    }


def in_plain_python(inputs: dict[str, Any]) -> dict[str, Any]:
    given = inputs["plain_input"]
    return {
        "plain_float": [None if one is None else one * 2.0 for one in given],
        "plain_int": [None if one is None else int(one) for one in given],
        "plain_bool": [None if one is None else one > 0 for one in given],
        "plain_text": [None if one is None else str(one) for one in given],
    }


def described(kind: str, thing: Any) -> RawObject:
    """Return a Feast object as the Feast plane describes it."""
    definition = MessageToDict(
        thing.to_proto(), preserving_proto_field_name=True, use_integers_for_enums=True
    )
    return RawObject(kind=kind, name=thing.name, definition=definition, unknown_fields=False)


def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"doubled": inputs["request"] * 2.0})


def write_source(path: Path) -> None:
    """Write two rows of every type into a Parquet file."""
    columns = {
        "k": pa.array([1, 2], pa.int64()),
        "event_timestamp": pa.array([NOW, NOW], pa.timestamp("us", tz="UTC")),
    }
    for name, (_, values, arrow) in feast_types().items():
        rows = [list(one.items()) for one in values] if name == "map" else values
        columns[name] = pa.array(rows, arrow)
    for name, (_, values, arrow) in never_fed().items():
        columns[name] = pa.array(values, arrow)
    columns["plain_input"] = pa.array([1.5, 2.5], pa.float64())
    pq.write_table(pa.table(columns), path)


def applied(folder: Path) -> tuple[FeatureStore, FeatureSet]:
    """Return a store with one service over every type, and what we read of its registry."""
    write_source(folder / "source.parquet")
    store = FeatureStore(
        config=RepoConfig(
            project="truth",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="k", join_keys=["k"], value_type=ValueType.INT64)
    path = str(folder / "source.parquet")
    types = feast_types()

    def view_of(name: str, types: Mapping[str, Any]) -> FeatureView:
        return FeatureView(
            name=name,
            entities=[entity],
            schema=[
                Field(name="k", dtype=f.Int64),
                *(Field(name=feature, dtype=type_) for feature, type_ in types.items()),
            ],
            source=FileSource(name="s", path=path, timestamp_field="event_timestamp"),
            ttl=dt.timedelta(days=3650),
        )

    view = view_of("v", {name: type_ for name, (type_, _, _) in types.items()})
    other = view_of("w", {name: type_ for name, (type_, _, _) in never_fed().items()})
    given = view_of("g", {"plain_input": f.Float64})
    request = RequestSource(name="asked", schema=[Field(name="request", dtype=f.Float64)])
    schema = [Field(name="doubled", dtype=f.Float64)]
    doubling = on_demand_feature_view(sources=[request], schema=schema)(doubled)
    plain = on_demand_feature_view(
        sources=[given],
        schema=[Field(name=name, dtype=type_) for name, type_ in plain_types().items()],
        mode="python",
    )(in_plain_python)
    service = FeatureService(name="truth", features=[view, other, doubling, plain])
    store.apply([entity, view, other, given, request, doubling, plain, service])
    registry = store.registry
    objects = [
        described("entity", registry.get_entity("k", "truth")),
        *(described("feature_view", registry.get_feature_view(name, "truth")) for name in "vwg"),
        described("on_demand_feature_view", doubling),
        described("on_demand_feature_view", plain),
        described("feature_service", registry.get_feature_service("truth", "truth")),
    ]
    return store, parse_features(objects, service="truth")


def served(folder: Path) -> tuple[Frames, frozenset[str]]:
    """Return what both paths serve of every type, for batches with all, some and no rows.

    And which of `never_fed` Feast itself refuses to feed.
    """
    store, features = applied(folder)
    assert (features.broken, features.undecidable) == ((), ())
    values = {name: pd.Series(rows, dtype=object) for name, (_, rows, _) in feast_types().items()}
    store.write_to_online_store(
        "v", pd.DataFrame({"k": [1, 2], "event_timestamp": [NOW, NOW]} | values)
    )
    store.write_to_online_store(
        "g", pd.DataFrame({"k": [1, 2], "event_timestamp": [NOW, NOW], "plain_input": [1.5, 2.5]})
    )
    keys = {Batch.FULL: [1, 2], Batch.PARTIAL: [1, 99], Batch.EMPTY: [98, 99]}
    frames = {
        (path, batch): (
            retrieved(store, path=path, keys=ids),
            build_frame(
                features,
                path=path,
                may_be_missing=frozenset(feature.ref for feature in features.features),
                full_feature_names=False,
            ),
        )
        for path in ServingPath
        for batch, ids in keys.items()
    }
    return frames, frozenset(name for name in never_fed() if _refused(store, name=name))


def _refused(store: FeatureStore, *, name: str) -> bool:
    """Return whether Feast cannot feed feature *name* of `never_fed`, in any way."""
    _, rows, _ = never_fed()[name]
    values = [dict(row) for row in rows] if name == "scalar_map" else rows
    frame = pd.DataFrame({"k": [1, 2], "event_timestamp": [NOW, NOW]})
    others = {other: None for other in never_fed() if other != name}
    frame = frame.assign(**{name: pd.Series(values, dtype=object)}, **others)
    span = (NOW - dt.timedelta(days=1), NOW + dt.timedelta(days=1))
    return _raises(lambda: store.write_to_online_store("w", frame)) and _raises(
        lambda: store.materialize(*span, feature_views=["w"])
    )


def _raises(work: Callable[[], object]) -> bool:
    try:
        work()
    except TypeError:
        return True
    return False


def retrieved(store: FeatureStore, *, path: ServingPath, keys: list[int]) -> pd.DataFrame:
    service = store.registry.get_feature_service("truth", "truth")
    asked = pd.DataFrame({"k": keys, "request": 2.5})
    if path is ServingPath.ONLINE:
        rows: Any = asked.to_dict("records")
        return store.get_online_features(features=service, entity_rows=rows).to_df()
    asked["event_timestamp"] = NOW + dt.timedelta(days=1)
    return store.get_historical_features(entity_df=asked, features=service).to_df()


REPOSITORY = """\
import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, String

airport = Entity(name="airport", join_keys=["airport"], value_type=ValueType.STRING)
source = FileSource(name="s", path="data/weather.parquet", timestamp_field="event_timestamp")
weather = FeatureView(
    name="weather",
    entities=[airport],
    schema=[Field(name="airport", dtype=String), Field(name="temp", dtype=Float64)],
    source=source,
)

FACTOR = {"one", "two", "three", "four"}


@on_demand_feature_view(sources=[weather], schema=[Field(name="warm", dtype=Float64)])
def warmth(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"warm": inputs["temp"] - 70.0 * len(FACTOR)})


service = FeatureService(name="delay_v1", features=[weather, warmth])
"""


def defined_in(path: Path, *, above: str) -> FeatureSet:
    """Return what we read of the repository above, written to *path* with lines before it."""
    path.write_text(above + REPOSITORY)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    objects = [
        described("entity", module.airport),
        described("feature_view", module.weather),
        described("on_demand_feature_view", module.warmth),
        described("feature_service", module.service),
    ]
    return parse_features(objects, service="delay_v1")


def parsed_type(type_: Any) -> FeatureType:
    """Return what we read from the proto of a field of *type_*."""
    proto = Field(name="x", dtype=type_).to_proto()
    return feature_type(proto.value_type, tags=dict(proto.tags))


MODULES = {
    "data_source": DataSource_pb2,
    "entity": Entity_pb2,
    "feature_service": FeatureService_pb2,
    "feature_view": FeatureView_pb2,
    "label_view": LabelView_pb2,
    "on_demand_feature_view": OnDemandFeatureView_pb2,
    "stream_feature_view": StreamFeatureView_pb2,
}


def real_fields() -> Mapping[str, set[str]]:
    """Return the fields that each shape's messages really have, from the descriptors."""
    found: dict[str, set[str]] = {}
    todo = [(name, getattr(MODULES[kind], name).DESCRIPTOR) for kind, name in ROOTS.items()]
    seen = set()
    while todo:
        name, descriptor = todo.pop()
        if (name, descriptor.full_name) in seen:
            continue
        seen.add((name, descriptor.full_name))
        found.setdefault(name, set()).update(field.name for field in descriptor.fields)
        shape = SHAPES[name]
        for field in descriptor.fields:
            if field.name in shape.maps:
                value = field.message_type.fields_by_name["value"]
                todo.append((shape.maps[field.name], value.message_type))
            elif shape.messages.get(field.name, OPAQUE) != OPAQUE:
                todo.append((shape.messages[field.name], field.message_type))
    return found
