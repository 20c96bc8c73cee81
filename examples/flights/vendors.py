"""The one place that imports MLflow and Feast, late and quietly.

Each takes seconds, so a process that only wants the world's paths does not
wait for them. Both keep state of the whole process (MLflow's address, the
warnings filter): one world per process.
"""

import logging
import os
import warnings
from typing import Any, NamedTuple

from examples.flights.world import World


class Mlflow(NamedTuple):
    """MLflow, pointed at a world. It has no types."""

    module: Any
    client: Any


def mlflow(world: World) -> Mlflow:
    """Return MLflow for *world*; the first call of a process makes its tables."""
    if world.mlflow != os.environ.get("MLFLOW_TRACKING_URI"):
        # What somebody set for another MLflow, a run to resume for example, is not for this one.
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            del os.environ[name]
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before the import
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    warnings.simplefilter("ignore")
    import mlflow as module  # noqa: PLC0415 - see the module
    import mlflow.sklearn  # noqa: PLC0415 - see the module

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Making a model version looks the model up through the global address,
    # whose default is a new database in the current directory.
    module.set_tracking_uri(world.mlflow)
    module.set_registry_uri(world.mlflow)
    client = module.MlflowClient(tracking_uri=world.mlflow, registry_uri=world.mlflow)
    return Mlflow(module, client)


def feature_store(world: World, *, project: str) -> Any:  # noqa: ANN401 - Feast has no types
    """Return Feast's store for *project* of *world*, which reads definitions once."""
    warnings.simplefilter("ignore")
    from feast import FeatureStore  # noqa: PLC0415 - see the module
    from feast.repo_config import load_repo_config  # noqa: PLC0415 - see the module

    # Importing Feast puts filters of its own in front.
    warnings.simplefilter("ignore")
    folder = world.feature_repository
    config = load_repo_config(folder, folder / "feature_store.yaml")
    config.project = project
    return FeatureStore(config=config)
