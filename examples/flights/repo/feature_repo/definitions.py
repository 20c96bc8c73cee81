"""What Feast serves about a flight. The job in pipeline/feed.py writes the files."""

from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
hour = Entity(
    name="hour",
    join_keys=["hour"],
    value_type=ValueType.STRING,
    description="An hour in UTC, for example 2013-12-01T17.",
)
plane = Entity(name="plane", join_keys=["tailnum"], value_type=ValueType.STRING)
dest = Entity(name="dest", join_keys=["dest"], value_type=ValueType.STRING)
carrier = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)

# Where the meaning changes the folder does too, so that old and new are fed side by side.
weather = FeatureView(
    name="weather",
    entities=[origin, hour],
    ttl=timedelta(0),
    schema=[
        Field(name="temp", dtype=Float64, description="degrees Fahrenheit"),
        Field(name="humid", dtype=Float64, description="percent"),
        Field(name="wind_speed", dtype=Float64, description="miles per hour"),
        Field(name="precip", dtype=Float64, description="inches"),
        Field(name="visib", dtype=Float64, description="miles"),
    ],
    source=FileSource(
        name="weather_file",
        path="../offline/v1/weather.parquet",
        timestamp_field="event_timestamp",
    ),
)

planes = FeatureView(
    name="planes",
    entities=[plane],
    ttl=timedelta(0),
    schema=[
        Field(name="plane_age", dtype=Float64, description="years"),
        Field(name="seats", dtype=Float64),
    ],
    source=FileSource(
        name="planes_file",
        path="../offline/v1/planes.parquet",
        timestamp_field="event_timestamp",
    ),
)

routes = FeatureView(
    name="routes",
    entities=[origin, dest],
    ttl=timedelta(0),
    schema=[
        Field(name="distance", dtype=Float64, description="miles"),
        Field(name="route_delay", dtype=Float64, description="mean arrival delay in minutes"),
    ],
    source=FileSource(
        name="routes_file",
        path="../offline/v1/routes.parquet",
        timestamp_field="event_timestamp",
    ),
)

carriers = FeatureView(
    name="carriers",
    entities=[carrier],
    ttl=timedelta(0),
    schema=[
        Field(name="carrier_delay", dtype=Float64, description="mean arrival delay in minutes"),
    ],
    source=FileSource(
        name="carriers_file",
        path="../offline/v1/carriers.parquet",
        timestamp_field="event_timestamp",
    ),
)

schedule = RequestSource(
    name="schedule",
    schema=[
        Field(name="scheduled_minute", dtype=Float64),
        Field(name="day_of_week", dtype=Float64),
    ],
)


@on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast has no types
    sources=[weather, schedule],
    schema=[
        Field(name="departure_hour", dtype=Float64),
        Field(name="hour_of_week", dtype=Float64),
        Field(name="frost", dtype=Float64),
    ],
)
def departure(inputs: pd.DataFrame) -> pd.DataFrame:
    """Return what is only known when the flight is asked about."""
    features = pd.DataFrame()
    features["departure_hour"] = inputs["scheduled_minute"] / 60.0
    features["hour_of_week"] = inputs["day_of_week"] * 24.0 + features["departure_hour"]
    features["frost"] = (32.0 - inputs["temp"]).clip(lower=0.0)
    return features


delay_v1 = FeatureService(
    name="delay_v1",
    features=[weather, planes, routes, carriers, departure],
)
