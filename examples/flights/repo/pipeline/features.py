"""Stage `features`: what the model learns from and is tested on, one row per flight.

    python -m pipeline.features FOLDER

writes train.parquet, flights from before the cutoff, and test.parquet, the
flights after it in the order of departure, into FOLDER. Each row has the keys
that Feast is asked with, the features it delivers, and the delay.
"""

import sys
from pathlib import Path

import pandas as pd

from . import data, params, tables

FEATURES = (
    "temp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "plane_age",
    "seats",
    "distance",
    "route_delay",
    "carrier_delay",
    "departure_hour",
    "hour_of_week",
    "frost",
)


def join(flights: pd.DataFrame, known: tables.Tables) -> pd.DataFrame:
    """Return *flights* with every feature, in the same order."""
    stamp = "event_timestamp"
    frame = (
        flights.drop(columns="distance")  # a feature of the route
        .merge(known.weather.drop(columns=stamp), how="left", on=["origin", "hour"])
        .merge(known.planes.drop(columns=stamp), how="left", on="tailnum")
        .merge(known.routes.drop(columns=stamp), how="left", on=["origin", "dest"])
        .merge(known.carriers.drop(columns=stamp), how="left", on="carrier")
    )
    # The arithmetic of the on-demand view in feature_repo/definitions.py.
    frame["departure_hour"] = frame["scheduled_minute"] / 60.0
    frame["hour_of_week"] = frame["day_of_week"] * 24.0 + frame["departure_hour"]
    frame["frost"] = (32.0 - frame["temp"]).clip(lower=0.0)
    return frame


def main(folder: Path) -> None:
    """Run the stage."""
    wanted = params.load()
    flights = data.flights()
    known = tables.build(flights, cutoff=wanted.cutoff)
    past = flights["departure"] < wanted.cutoff
    sample = flights[past].sample(n=wanted.train_rows, random_state=wanted.seed).sort_index()
    folder.mkdir(parents=True, exist_ok=True)
    join(sample, known).to_parquet(folder / "train.parquet", index=False)
    join(flights[~past].head(wanted.test_rows), known).to_parquet(
        folder / "test.parquet", index=False
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
