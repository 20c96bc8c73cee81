"""What a feature repository defines at a commit, without touching anything live.

The commit's files go to a temporary folder, its Python runs in a worker
process, and what it defines goes to a registry that is thrown away afterwards.
"""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.checkout import checkout
from trilock.server.planes.feast.config import FeastConfig
from trilock.server.planes.feast.definitions import Definitions, make_capture
from trilock.server.planes.feast.process import Worker
from trilock.server.planes.feast.sql_registry import throwaway_registry

_NEEDED_TO_APPLY: Final = ("offline_store", "entity_key_serialization_version", "flags")
"""What of `feature_store.yaml` the repository's code is told: nothing that it could write to."""


def capture_commit(
    worker: Worker,
    config: FeastConfig,
    *,
    repository: Path,
    revision: str,
    folder: str,
    service: str,
) -> FeatureCapture:
    """Return the closure of *service* as *folder* of *repository* defines it at *revision*.

    Raises:
        InvalidNameError: *revision* is not a full commit id.
        NotFoundError: There is no such commit, folder or service.
        PreconditionError: git cannot read the repository, or its code raised, took too long,
            or defines something else wherever it is checked out.
    """
    with tempfile.TemporaryDirectory(prefix="trilock-feast-") as name:
        scratch = Path(name).resolve()
        base = scratch / "repository"
        base.mkdir()
        checkout(repository=repository, revision=revision, folder=folder, into=base)
        settings = {key: config.settings[key] for key in _NEEDED_TO_APPLY if key in config.settings}
        settings["online_store"] = {"type": "sqlite", "path": str(scratch / "online.db")}
        told: dict[str, Any] = {}
        with closing(throwaway_registry(scratch)) as registry:
            worker.run(
                {
                    "job": "apply_repository",
                    "base": str(base),
                    "settings": settings,
                    "registry": registry.url,
                    "project": config.project,
                },
                tell=told.update,
            )
            project = str(told["project"])
            with registry.reading() as session:
                objects = session.read(project)
    _refuse_temporary_paths(objects, base=base)
    return make_capture(objects, service=service, project=project, revision=revision)


def _refuse_temporary_paths(objects: Definitions, *, base: Path) -> None:
    for (kind, name), proto in sorted(objects.items()):
        if str(base).encode() in proto:
            raise PreconditionError(
                f"{kind.replace('_', ' ')} {name!r} depends on the folder it is checked out to; "
                "write paths relative to the folder of feature_store.yaml"
            )
