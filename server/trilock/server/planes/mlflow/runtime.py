"""MLflow in the server's process: imported late, bounded in time, and silent.

`import mlflow` takes seconds and changes the process: a handler on stderr that
keeps records from ours, telemetry, progress bars. The first HTTP request loads
the plugins of every installed package, Feast's among them, which puts
prometheus_client into its multi-process mode through two environment
variables. All this happens here, once, and is undone here. Nothing else in the
server imports mlflow.

Never used: MLflow's global tracking URI. It defaults to `sqlite:///mlflow.db`
in the working folder, and asking it for anything creates that file.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

REQUEST_SECONDS: Final = 2
"""For one socket operation of one HTTP request; MLflow takes whole seconds only."""

# Read by MLflow on every call (the first two at import). With its own values one
# call to a server that is down blocks for 252 s.
_BOUNDS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
_NOT_OURS_TO_SET: Final = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR")
_LOGGERS: Final = ("mlflow", "alembic", "sqlalchemy.engine", "huey", "dill")

_import_lock = threading.Lock()
_imported = False


def import_mlflow() -> None:
    """Import what talking to a registry needs. Takes seconds the first time, then nothing."""
    global _imported  # noqa: PLW0603 - a process imports once
    with _import_lock:
        if _imported:
            return
        os.environ.update(_BOUNDS)
        before = {name: os.environ.get(name) for name in _NOT_OURS_TO_SET}
        import_module("mlflow")
        import_module("mlflow.tracking.request_header.registry")
        import_module("mlflow.store.artifact.artifact_repository_registry")
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            # One that does nothing: where the root has no handler, logging would
            # otherwise print MLflow's warnings to stderr by itself.
            logger.handlers = [logging.NullHandler()]
            logger.propagate = True
        # They go to stderr, from whichever thread, and tell nothing to who runs a server.
        warnings.filterwarnings("ignore", module=r"mlflow\b")
        _imported = True


def new_client(uri: str) -> MlflowClient:
    """Return a client that talks to the registry at *uri* and to nothing else."""
    from mlflow import MlflowClient  # noqa: PLC0415 - late, see above

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def artifact_repository(location: str, *, uri: str) -> ArtifactRepository:
    """Return the artifacts at *location* as the registry at *uri* gives access to them."""
    from mlflow.store.artifact import artifact_repository_registry  # noqa: PLC0415 - late

    return artifact_repository_registry.get_artifact_repository(
        location, tracking_uri=uri, registry_uri=uri
    )
