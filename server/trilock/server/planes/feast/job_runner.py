"""The user's code, run by Feast in a worker on a throwaway copy of the registry."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.planes.feast import deploy
from trilock.server.planes.feast.config import FeastConfig
from trilock.server.planes.feast.process import Message, Worker
from trilock.server.planes.feast.sql_registry import throwaway_registry


class JobRunner:
    """Runs one job at a time in a worker, on definitions that nobody else sees."""

    def __init__(self, config: FeastConfig, worker: Worker) -> None:
        self._config = config
        self._worker = worker

    def run(
        self,
        job: str,
        capture: FeatureCapture,
        *,
        project: str,
        tell: Callable[[Message], None],
        **details: object,
    ) -> None:
        """Run *job* on a throwaway registry in which *project* is defined as captured."""
        with (
            tempfile.TemporaryDirectory(prefix="trilock-feast-") as scratch,
            closing(throwaway_registry(Path(scratch))) as registry,
        ):
            with registry.writing(project) as session:
                deploy.deploy(session, capture, project=project, expected=None)
            request = {
                "job": job,
                "base": str(self._config.folder),
                "settings": dict(self._config.settings),
                "registry": {"registry_type": "sql", "path": registry.url},
                "project": project,
            }
            self._worker.run({**request, **details}, tell=tell)
