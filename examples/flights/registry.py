"""Puts a trained model into MLflow, with what a user would say about it."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from examples.flights import vendors
from examples.flights.world import MODEL, World

_EXPERIMENT: Final = "flights"
# The one type of gradient boosting that skops, MLflow's safe format, does not know.
_TRUSTED: Final = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def prepare(world: World) -> str:
    """Make the experiment and the registered model if they are not there.

    Returns:
        The experiment's id.
    """
    client = vendors.mlflow(world).client
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(MODEL)
    experiment = client.get_experiment_by_name(_EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    # Left alone, MLflow would write artifacts into the current directory.
    place = world.mlflow_artifacts.as_uri()
    return str(client.create_experiment(_EXPERIMENT, artifact_location=place))


def publish(world: World, *, revision: str, service: str) -> str:
    """Register the trained model, with a signature and its lineage.

    Args:
        world: Whose pipeline has just run.
        revision: The commit that made the model.
        service: The feature service that will feed it.

    Returns:
        The version.
    """
    import skops.io  # type: ignore[import-untyped]  # noqa: PLC0415 - heavy; it has no types

    experiment = prepare(world)
    mlflow, client = vendors.mlflow(world)
    model = skops.io.load(world.trained_model, trusted=_TRUSTED)
    lineage = {"mlflow.source.git.commit": revision, "feast.feature_service": service}
    with mlflow.start_run(experiment_id=experiment, tags=lineage):
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=_signature(mlflow, [str(name) for name in model.feature_names_in_]),
            skops_trusted_types=_TRUSTED,
            # Named, because finding them out would load the model in another process.
            pip_requirements=["scikit-learn", "skops"],
            tags=lineage,
        )
    version = client.create_model_version(
        MODEL, source=logged.model_uri, run_id=logged.run_id, tags=lineage
    )
    return str(version.version)


def location(world: World, version: str) -> Path:
    """Return the folder of *version*, which can be loaded from there."""
    address = vendors.mlflow(world).client.get_model_version_download_uri(MODEL, version)
    return Path(unquote(urlsplit(str(address)).path))


def _signature(mlflow: Any, features: list[str]) -> Any:  # noqa: ANN401 - MLflow has no types
    types = mlflow.types
    # Feast serves every number as float64, and a gap as NaN: `double` takes both.
    return mlflow.models.ModelSignature(
        inputs=types.Schema([types.ColSpec("double", name) for name in features]),
        outputs=types.Schema([types.ColSpec("double", "predicted")]),
    )
