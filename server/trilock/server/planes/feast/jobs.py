"""The jobs that need Feast itself, and run the user's code.

Imported in a worker process only (feast_worker). A job never sees the live
registry: it works on a throwaway one, so that it cannot change a definition
there, whatever Feast writes back while it materializes.
"""

import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from feast import FeatureStore
from feast.repo_config import RepoConfig
from feast.repo_operations import parse_repo

Request = Mapping[str, Any]
Tell = Callable[[Mapping[str, Any]], None]
"""Passes one message to whoever started the job."""


def apply_repository(request: Request, tell: Tell) -> None:
    """Apply the feature repository in `base` to the throwaway registry.

    Sources are not validated, so data files need not be there.
    """
    folder = Path(request["base"])
    _import_from(folder)
    contents = parse_repo(folder)
    project = contents.projects[0].name if contents.projects else request["project"]
    _store(request, project=project).apply(
        [
            *contents.projects,
            *contents.data_sources,
            *contents.entities,
            *contents.feature_views,
            *contents.on_demand_feature_views,
            *contents.stream_feature_views,
            *contents.label_views,
            *contents.feature_services,
        ]
    )
    tell({"project": project})


def materialize(request: Request, tell: Tell) -> None:
    """Materialize a window of every view in `views`, one after the other."""
    store = _store(request, project=request["project"])
    start = datetime.fromisoformat(request["start"])
    # Feast takes in both ends; our windows end before their end.
    last = datetime.fromisoformat(request["end"]) - timedelta(microseconds=1)
    for view in request["views"]:
        tell({"progress": f"{view}: materializing"})
        store.materialize(start, last, feature_views=[view])
        tell({"done": view})


def make_tables(request: Request, tell: Tell) -> None:
    """Let Feast make what its online store needs for every view."""
    store = _store(request, project=request["project"])
    tell({"progress": "making online tables"})
    # `apply` would make them too, but it serialises the definitions anew.
    store._get_provider().update_infra(  # noqa: SLF001
        project=store.project,
        tables_to_delete=[],
        tables_to_keep=[
            *store.list_feature_views(),
            *store.list_stream_feature_views(),
            *(view for view in store.list_on_demand_feature_views() if view.write_to_online_store),
            *store.list_label_views(),
        ],
        entities_to_delete=[],
        entities_to_keep=store.list_entities(),
        partial=True,
    )


JOBS: Final[Mapping[str, Callable[[Request, Tell], None]]] = {
    "apply_repository": apply_repository,
    "materialize": materialize,
    "make_tables": make_tables,
}


def _store(request: Request, *, project: str) -> FeatureStore:
    own = {"project": project, "registry": {"registry_type": "sql", "path": request["registry"]}}
    config = RepoConfig(**{"provider": "local", **request["settings"], **own})
    config.repo_path = Path(request["base"])
    return FeatureStore(config=config)


def _import_from(folder: Path) -> None:
    """Import modules from *folder*, which is now the working directory.

    A file's path is part of every function that is serialised, and this one is
    temporary: with relative paths the same commit gives the same bytes.
    """

    class Loader(importlib.machinery.SourceFileLoader):
        def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]  # noqa: ANN401 - as in the base class
            code: CodeType = super().source_to_code(data, _relative(path), _optimize=_optimize)
            return code

        def path_stats(self, path: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as in the base class
            raise OSError(path)  # No bytecode that lies beside it, by whomever.

        def exec_module(self, module: ModuleType) -> None:
            module.__file__ = _relative(module.__file__)
            super().exec_module(module)

    def _relative(path: Any) -> str:  # noqa: ANN401 - str or bytes
        return str(Path(os.fsdecode(path)).relative_to(folder))

    def hook(path: str) -> importlib.machinery.FileFinder:
        if not Path(path).is_relative_to(folder):
            raise ImportError(path)
        return importlib.machinery.FileFinder(path, (Loader, importlib.machinery.SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
    sys.path.insert(0, str(folder))
