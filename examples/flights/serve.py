"""A serving process in small: features from Feast, a model from MLflow, predictions.

The same flights get the same predictions, bit for bit, as long as project,
model version and online values are the same.
"""

from __future__ import annotations  # pandas' Series has parameters in its stubs only

from typing import Any, Final

import pandas as pd
from examples.flights import registry, vendors
from examples.flights.world import World

_ASKED_WITH: Final = (
    "origin",
    "hour",
    "dest",
    "carrier",
    "tailnum",
    "scheduled_minute",
    "day_of_week",
)


class Server:
    """Predicts the delay of flights with one model version and one feature service."""

    def __init__(self, world: World, *, project: str, service: str, version: str) -> None:
        mlflow = vendors.mlflow(world).module
        self._store = vendors.feature_store(world, project=project)
        self._service: Any = self._store.get_feature_service(service)
        # From its folder: a `models:/` address would be looked up through global state.
        self._model: Any = mlflow.pyfunc.load_model(str(registry.location(world, version)))
        self.inputs: tuple[str, ...] = tuple(self._model.metadata.get_input_schema().input_names())
        """The features that the model reads."""

    def features(self, flights: pd.DataFrame) -> pd.DataFrame:
        """Return what Feast delivers online for *flights*, in the same order."""
        asked = {name: flights[name].tolist() for name in _ASKED_WITH}
        answer = self._store.get_online_features(features=self._service, entity_rows=asked)
        frame: pd.DataFrame = answer.to_df()
        return frame

    def predict(self, flights: pd.DataFrame) -> pd.Series[float]:
        """Return the predicted delay of each of *flights*, in minutes, by `flight_id`."""
        return self.predict_from(self.features(flights), flights["flight_id"])

    def predict_from(self, features: pd.DataFrame, flight_id: pd.Series[str]) -> pd.Series[float]:
        """Return what the model says to *features*, wherever they are from."""
        predicted = self._model.predict(features[[*self.inputs]])
        return pd.Series(predicted, index=flight_id.to_list(), name="predicted", dtype=float)


def mean_absolute_error(predicted: pd.Series[float], flights: pd.DataFrame) -> float:
    """Return how far *predicted* is from what happened to *flights*, in minutes."""
    happened = flights.set_index("flight_id")["arr_delay"]
    return float((predicted - happened.loc[predicted.index]).abs().mean())
