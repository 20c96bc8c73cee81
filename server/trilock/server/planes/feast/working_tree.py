"""Read what a feature repository on this machine defines, for a check of it."""

from pathlib import Path

from trilock.compat import RawObject, RepositoryDefinitions
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.planes.feast.config import read_settings
from trilock.server.planes.feast.definitions import describe, make_capture
from trilock.server.planes.feast.process import WorkerProcess
from trilock.server.planes.feast.repository import FolderDefinitions, capture_folder

_SETTINGS = "feature_store.yaml"


def read_repository(folder: Path, *, seconds: float) -> RepositoryDefinitions:
    """Return what the feature repository in *folder* defines, as it is on disk.

    That runs the repository's own Python, in a process of its own which gets no
    token of trilock and is ended with all its children after *seconds*.

    Raises:
        NotFoundError: There is no such folder, or no feature_store.yaml in it.
        PreconditionError: The code raised, ended its process, or took too long; or
            feature_store.yaml cannot be read. One line that names file and line.
    """
    settings_file = folder / _SETTINGS
    if not settings_file.is_file():
        raise NotFoundError(
            str(settings_file), hint="--repo names the folder in which it is, as for `feast apply`"
        )
    settings = read_settings(settings_file)
    found = capture_folder(
        WorkerProcess(timeout=seconds),
        folder=folder.resolve(),
        settings=settings,
        project=settings["project"],
    )
    services: dict[str, tuple[RawObject, ...]] = {}
    problems: dict[str, str] = {}
    for kind, name in sorted(found.objects):
        if kind == "feature_service":
            try:
                services[name] = _closure(found, service=name)
            except (NotFoundError, PreconditionError) as error:
                problems[name] = str(error)
    return RepositoryDefinitions(project=found.project, services=services, problems=problems)


def _closure(found: FolderDefinitions, *, service: str) -> tuple[RawObject, ...]:
    capture = make_capture(found.objects, service=service, project=found.project, revision=None)
    return describe(capture)
