"""The jobs that need Feast itself, and run the user's code.

Imported in a worker process only (feast_worker). A job never sees the live
registry: it works on a throwaway one, so that it cannot change a definition
there, whatever Feast writes back while it materializes.
"""

import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from feast import FeatureStore, type_map, utils
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.repo_config import RepoConfig
from feast.repo_operations import parse_repo

from trilock.server.planes.feast.worker import last_line

Request = Mapping[str, Any]
Tell = Callable[[Mapping[str, Any]], None]
"""Passes one message to whoever started the job."""

_VALUE_CHARACTERS: Final = 60
_EXAMPLES: Final = 5


def apply_repository(request: Request, tell: Tell) -> None:
    """Apply the feature repository in `base` to the throwaway registry.

    Sources are not validated, so data files need not be there.
    """
    folder = Path(request["base"])
    _import_from(folder)
    contents = parse_repo(folder)
    project = contents.projects[0].name if contents.projects else request["project"]
    store = _store(request, project=project)
    # Tables are made where definitions are deployed; here they would be thrown away.
    vars(store._get_provider())["update_infra"] = _no_tables  # noqa: SLF001
    store.apply(
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


def _no_tables(*_: object, **__: object) -> None:
    """Stand in for the provider's update_infra."""


def materialize(request: Request, tell: Tell) -> None:
    """Materialize every span of every view in `views`, one after the other.

    A view that fails is told, and the next one is begun.
    """
    store = _store(request, project=request["project"])
    for view, spans in request["views"].items():
        for number, (start, end) in enumerate(spans, start=1):
            what = "materializing" if len(spans) == 1 else f"part {number} of {len(spans)}"
            tell({"progress": f"{view}: {what}"})
            try:
                # Feast takes in both ends; our windows end before their end.
                last = datetime.fromisoformat(end) - timedelta(microseconds=1)
                store.materialize(datetime.fromisoformat(start), last, feature_views=[view])
            except Exception as error:  # noqa: BLE001 - sources and transformations raise anything
                tell({"failed": view, "why": last_line(error)})
                break
            tell({"done": view, "start": start, "end": end})


def compare(request: Request, tell: Tell) -> None:
    """Compare what `views` have online with what their batch sources have in a window.

    Both sides are the very messages that materialization would write, so that
    equal means equal to the bit, for any type.
    """
    store = _store(request, project=request["project"])
    provider = store._get_provider()  # noqa: SLF001 - the way in which Feast reads and writes
    for name, (start, end) in request["views"].items():
        view = store.get_feature_view(name)
        offline = _offline_rows(store, view, start=start, end=end)
        keys = sorted(offline)
        step = max(1, len(keys) // request["sample"])
        sampled = [offline[key] for key in keys[::step]][: request["sample"]]
        names = [feature.name for feature in view.features]
        online = (
            provider.online_read(store.config, view, [row[0] for row in sampled], names)
            if sampled
            else []
        )
        tell(
            {
                "compared": name,
                "offline": len(offline),
                "sampled": len(sampled),
                "examples": [_example(row) for row in sampled if _is_served(row, view)][:_EXAMPLES],
                "differences": [
                    f"{_readable(row[0])}: {difference}"
                    for row, found in zip(sampled, online, strict=True)
                    for difference in _differences(row[1], found[1], timed=row[2])
                ],
            }
        )


def _offline_rows(store: FeatureStore, view: Any, *, start: str, end: str) -> dict[bytes, Any]:  # noqa: ANN401 - Feast's
    entities = [store.get_entity(name) for name in view.entities if name != DUMMY_ENTITY_NAME]
    joins, features, timestamp, created = utils._get_column_names(view, entities)  # noqa: SLF001 - as materialization does
    job = store._get_provider().offline_store.pull_latest_from_table_or_query(  # noqa: SLF001 - same
        config=store.config,
        data_source=view.batch_source,
        join_key_columns=joins,
        feature_name_columns=features,
        timestamp_field=timestamp,
        created_timestamp_column=created,
        start_date=datetime.fromisoformat(start),
        end_date=datetime.fromisoformat(end) - timedelta(microseconds=1),
    )
    table = job.to_arrow()
    if view.batch_source.field_mapping:
        table = utils._run_pyarrow_field_mapping(table, view.batch_source.field_mapping)  # noqa: SLF001 - same
    types = {column.name: column.dtype.to_value_type() for column in view.entity_columns}
    rows = utils._convert_arrow_to_proto(table, view, types)  # noqa: SLF001 - same
    return {row[0].SerializeToString(deterministic=True): row for row in rows}


def _differences(wanted: Any, found: Any, *, timed: datetime) -> list[str]:  # noqa: ANN401 - Feast's
    if found is None:
        return [f"has nothing online; its source has a row of {timed.isoformat()}"]
    return [
        f"{name} is {_value(found.get(name))} online, {_value(value)} in its source"
        for name, value in wanted.items()
        if name not in found or _bytes(found[name]) != _bytes(value)
    ]


def _bytes(value: Any) -> bytes:  # noqa: ANN401 - Feast's
    # Values of maps have no order of their own.
    return bytes(value.SerializeToString(deterministic=True))


def _value(value: Any) -> str:  # noqa: ANN401 - Feast's
    text = "" if value is None else " ".join(str(value).split())
    return text[:_VALUE_CHARACTERS] or "missing"


def _is_served(row: Any, view: Any) -> bool:  # noqa: ANN401 - Feast's
    """Return whether readers get the row: it has not outlived the view's time to live."""
    return not view.ttl or utils.make_tzaware(row[2]) > datetime.now(UTC) - view.ttl


def _example(row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - Feast's
    keys = zip(row[0].join_keys, row[0].entity_values, strict=True)
    values = {
        name: type_map.feast_value_type_to_python_type(value) for name, value in row[1].items()
    }
    return {
        "keys": {name: type_map.feast_value_type_to_python_type(value) for name, value in keys},
        # What JSON has one spelling for; the bytes of all were compared before.
        "values": {
            name: value
            for name, value in values.items()
            if isinstance(value, bool | int | float | str | None)
        },
    }


def _readable(key: Any) -> str:  # noqa: ANN401 - Feast's
    return ", ".join(
        f"{name} {_value(value).partition(': ')[2]}"
        for name, value in zip(key.join_keys, key.entity_values, strict=True)
    )


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
    "compare": compare,
    "materialize": materialize,
    "make_tables": make_tables,
}


def _store(request: Request, *, project: str) -> FeatureStore:
    own = {"project": project, "registry": request["registry"]}
    settings = {"provider": "local", **request["settings"], **own}
    offline = settings.get("offline_store", {})
    # A dictionary would be checked now, which imports the offline store (dask takes as long as
    # everything else here together); to apply declared schemas none is needed.
    config = RepoConfig(**{**settings, "offline_store": "dask"})
    config.offline_config = {"type": "dask", **offline} if isinstance(offline, dict) else offline
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
