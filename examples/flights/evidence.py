"""Looks at MLflow, Feast and the sink itself: what is there, whatever trilock says of it."""

# Names of tables cannot be parameters; they are Feast's own and the sink's.
# ruff: noqa: S608

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from examples.flights import sink, vendors
from examples.flights.world import LIVE_PROJECT, MODEL, World

from trilock.server.planes.feast.definitions import definition_bytes

Definitions = Mapping[tuple[str, str], bytes]
"""What Feast's registry holds, by kind and name, after clearing what is no definition."""

_KINDS: Final = {
    "entity": ("entities", "entity"),
    "data_source": ("data_sources", "data_source"),
    "feature_view": ("feature_views", "feature_view"),
    "on_demand_feature_view": ("on_demand_feature_views", "feature_view"),
    "feature_service": ("feature_services", "feature_service"),
}


def live_version(world: World) -> str:
    """Return the version that MLflow's alias `production` points at."""
    found = vendors.mlflow(world).client.get_model_version_by_alias(MODEL, "production")
    return str(found.version)


def definitions(world: World, *, project: str) -> Definitions:
    """Return what the Feast project *project* defines."""
    found = {}
    with _reading(Path(world.feast_registry.removeprefix("sqlite:///"))) as registry:
        for kind, (table, prefix) in _KINDS.items():
            query = f"SELECT {prefix}_name, {prefix}_proto FROM {table} WHERE project_id = ?"
            for name, proto in registry.execute(query, (project,)):
                found[kind, name] = definition_bytes(kind, proto)
    return found


def mirrored(world: World, *, project: str) -> bool:
    """Return whether the live Feast project defines everything as *project* does.

    What else it defines is not read by anybody: trilock never deletes definitions.
    """
    own, live = definitions(world, project=project), definitions(world, project=LIVE_PROJECT)
    return bool(own) and own == {key: live.get(key) for key in own}


def fingerprint(world: World) -> str:
    """Return a digest of everything in Feast's registry and in its online store."""
    digest = hashlib.sha256()
    for path in (Path(world.feast_registry.removeprefix("sqlite:///")), world.feast_online):
        with _reading(path) as database:
            for line in database.iterdump():
                digest.update(line.encode())
    return digest.hexdigest()


def staged_by_version(world: World) -> dict[str, int]:
    """Return how many rows of each model version lie in staging tables beside the table."""
    found: dict[str, int] = {}
    with _reading(world.predictions) as database:
        names = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?",
            (f"{sink.TABLE}__trilock_*",),
        ).fetchall()
        for (name,) in names:
            query = f'SELECT model_version, count(*) FROM "{name}" GROUP BY model_version'
            for version, rows in database.execute(query):
                found[version] = found.get(version, 0) + rows
    return found


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        yield database
