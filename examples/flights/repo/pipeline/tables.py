"""The tables behind the feature views: the one place where raw data become features.

Training joins them, and the feeding job writes them where Feast reads them, so
that both see the same values.
"""

from typing import NamedTuple

import pandas as pd

from . import data


class Tables(NamedTuple):
    """One table per feature view."""

    weather: pd.DataFrame
    planes: pd.DataFrame
    routes: pd.DataFrame
    carriers: pd.DataFrame


def build(flights: pd.DataFrame, *, cutoff: pd.Timestamp) -> Tables:
    """Return the tables; statistics are of *flights* before *cutoff* only."""
    past = flights[flights["departure"] < cutoff]
    return Tables(
        weather=_weather(),
        planes=_planes(cutoff),
        routes=_routes(past, cutoff),
        carriers=_carriers(past, cutoff),
    )


def _weather() -> pd.DataFrame:
    return data.weather()


def _planes(known: pd.Timestamp) -> pd.DataFrame:
    planes = data.planes()
    planes["plane_age"] = 2013.0 - planes.pop("built")
    return planes.assign(event_timestamp=known)


def _routes(past: pd.DataFrame, known: pd.Timestamp) -> pd.DataFrame:
    routes = past.groupby(["origin", "dest"], as_index=False).agg(
        distance=("distance", "first"), route_delay=("arr_delay", "mean")
    )
    return routes.assign(event_timestamp=known)


def _carriers(past: pd.DataFrame, known: pd.Timestamp) -> pd.DataFrame:
    carriers = past.groupby("carrier", as_index=False).agg(carrier_delay=("arr_delay", "mean"))
    return carriers.assign(event_timestamp=known)
