"""Where everything of the demo lives: one folder, nothing outside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODEL: Final = "delay"
"""The model's name in MLflow and in trilock."""
LIVE_PROJECT: Final = "delay"
"""The Feast project that readers use who do not resolve through trilock."""
FEATURE_FOLDER: Final = "feature_repo"
"""The Feast repository's folder in the git repository."""
FIRST_DAY: Final = "2013-12-01"
"""The first day that is served; the cutoff in params.yaml."""
DAYS: Final = 7
"""How many days the feeding jobs write and the feature projects are filled with."""
BATCH: Final = 2000
"""How many flights are served at a time; test.parquet holds two such batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The paths and addresses of one demo."""

    root: Path
    """An absolute path."""

    @property
    def repository(self) -> Path:
        """The user's git repository, with DVC and Feast in it."""
        return self.root / "repository"

    @property
    def feature_repository(self) -> Path:
        """The folder of feature_store.yaml."""
        return self.repository / FEATURE_FOLDER

    @property
    def state(self) -> Path:
        """The databases of the systems that a user would have as services."""
        return self.root / "state"

    @property
    def jobs(self) -> Path:
        """Deployed jobs: one folder per commit."""
        return self.root / "jobs"

    @property
    def feast_registry(self) -> str:
        """Address of Feast's SQL registry; feature_store.yaml says the same."""
        return f"sqlite:///{self.state / 'feast_registry.db'}"

    @property
    def feast_online(self) -> Path:
        """Feast's online store."""
        return self.state / "feast_online.db"

    @property
    def mlflow(self) -> str:
        """Address of MLflow's tracking and registry database."""
        return f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps models."""
        return self.state / "mlflow_artifacts"

    @property
    def predictions(self) -> Path:
        """The database with the table that the model writes to."""
        return self.state / "predictions.db"

    def offline(self, version: str) -> Path:
        """Return the folder that the definitions of *version*, for example `v1`, read."""
        return self.repository / "offline" / version

    def test_set(self, version: str) -> Path:
        """Return the flights after the cutoff, with the features as *version* means them."""
        return self.repository / "data" / version / "test.parquet"

    @property
    def trained_model(self) -> Path:
        """The model that the last run of the pipeline made."""
        return self.repository / "model" / "model.skops"
