"""Ready-made functions for `ModelSlot`: a model from MLflow, features from Feast.

MlflowLoader    `pip install trilock[mlflow]`
FeastLoader     `pip install trilock[feast]`

Each imports its vendor on first use, in the thread that loads.
"""

from trilock.client.loaders.feast_features import FeastFeatures, FeastLoader
from trilock.client.loaders.mlflow_model import MlflowLoader, MlflowModel

__all__ = ["FeastFeatures", "FeastLoader", "MlflowLoader", "MlflowModel"]
