"""What a feature repository defines, without touching anything live.

Its Python runs in a worker process with a time limit, and what it defines goes
to a registry that is thrown away afterwards. The files are those of a folder,
as they are, or of a commit that is checked out into a temporary one.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.checkout import checkout
from trilock.server.planes.feast.config import FeastConfig, FileRegistryConfig
from trilock.server.planes.feast.definitions import Definitions, make_capture
from trilock.server.planes.feast.file_registry import FileRegistry
from trilock.server.planes.feast.process import Worker

_NEEDED_TO_APPLY: Final = ("offline_store", "entity_key_serialization_version", "flags")
"""What of `feature_store.yaml` the repository's code is told: nothing that it could write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDefinitions:
    """Everything that the feature repository in a folder defines."""

    project: str
    """As its code names it, else as its `feature_store.yaml` does."""
    objects: Definitions = field(repr=False)


def capture_folder(
    worker: Worker, *, folder: Path, settings: Mapping[str, Any], project: str
) -> FolderDefinitions:
    """Return what the feature repository in *folder* defines.

    Nothing in the folder is changed, no bytecode is left there, and no data
    source is looked at.

    Args:
        worker: Runs the repository's code.
        folder: An absolute path without links.
        settings: What `feature_store.yaml` says.
        project: The Feast project, if the code does not name one.

    Raises:
        PreconditionError: The repository's code raised, ended the process, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="trilock-feast-") as name:
        scratch = Path(name).resolve()
        needed = {key: settings[key] for key in _NEEDED_TO_APPLY if key in settings}
        needed["online_store"] = {"type": "sqlite", "path": str(scratch / "online.db")}
        # A file, of which there is one writer here: seven times as fast as SQL.
        registry = scratch / "registry.db"
        told: dict[str, Any] = {}
        worker.run(
            {
                "job": "apply_repository",
                "base": str(folder),
                "settings": needed,
                "registry": {"registry_type": "file", "path": str(registry)},
                "project": project,
            },
            tell=told.update,
        )
        if "project" not in told:
            raise PreconditionError("the repository's code ended the process it was imported in")
        found = str(told["project"])
        with FileRegistry(FileRegistryConfig(path=registry)).reading() as session:
            return FolderDefinitions(project=found, objects=session.read(found))


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
        base = Path(name).resolve() / "repository"
        base.mkdir()
        checkout(repository=repository, revision=revision, folder=folder, into=base)
        found = capture_folder(
            worker, folder=base, settings=config.settings, project=config.project
        )
    _refuse_temporary_paths(found.objects, base=base)
    return make_capture(found.objects, service=service, project=found.project, revision=revision)


def _refuse_temporary_paths(objects: Definitions, *, base: Path) -> None:
    for (kind, name), proto in sorted(objects.items()):
        if str(base).encode() in proto:
            raise PreconditionError(
                f"{kind.replace('_', ' ')} {name!r} depends on the folder it is checked out to; "
                "write paths relative to the folder of feature_store.yaml"
            )
