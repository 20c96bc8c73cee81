"""Features of every kind that Feast has, in one service."""

from typing import Final

EVERY_KIND: Final = """
from datetime import timedelta

import pandas as pd
from feast import (
    BatchFeatureView,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    KafkaSource,
    PushSource,
    ValueType,
)
from feast.data_format import JsonFormat
from feast.labeling.label_view import LabelView
from feast.on_demand_feature_view import on_demand_feature_view
from feast.stream_feature_view import stream_feature_view
from feast.types import Float64, Int64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
source = FileSource(
    name="source",
    path="data/celsius.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    tags={"b": "1", "a": "2"},
)
key, temp = Field(name="origin", dtype=String), Field(name="temp", dtype=Float64)

plain = FeatureView(name="plain", entities=[origin], schema=[key, temp], source=source)
nobody = FeatureView(name="nobody", schema=[temp], source=source, ttl=timedelta(days=1))
push = PushSource(name="push", batch_source=source)
pushed = FeatureView(name="pushed", entities=[origin], schema=[key, temp], source=push)
kafka = KafkaSource(
    name="kafka",
    kafka_bootstrap_servers="localhost:1",
    topic="temps",
    timestamp_field="event_timestamp",
    message_format=JsonFormat("origin string, temp double"),
    batch_source=source,
)


@stream_feature_view(
    entities=[origin],
    ttl=timedelta(days=1),
    mode="pandas",
    schema=[key, temp],
    timestamp_field="event_timestamp",
    source=kafka,
)
def stream(frame):
    return frame


@on_demand_feature_view(
    sources=[plain],
    entities=[origin],
    schema=[Field(name="twice", dtype=Float64)],
    write_to_online_store=True,
)
def stored(inputs: pd.DataFrame) -> pd.DataFrame:
    result = pd.DataFrame()
    result["twice"] = inputs["temp"] * 2
    return result


late = LabelView(
    name="late",
    entities=[origin],
    schema=[key, Field(name="is_late", dtype=Int64)],
    source=PushSource(name="late_push", batch_source=source),
    labeler_field="is_late",
)
delay = FeatureService(name="delay", features=[plain, nobody, pushed, stream, stored, late])
"""
