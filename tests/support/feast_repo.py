"""A real Feast repository on disk, and what its users do with it.

Three variants of one service: `celsius`; `wider`, which has one feature more; and
`scaled`, which has that, too, and reads another file. All write and serve `temp`; `scaled`
is a hundred times as much, so that nobody can mistake one for the other.
"""

import contextlib
import gc
import importlib.util
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pandas as pd
import psycopg
import pytest
import yaml
from psycopg import sql
from sqlalchemy import URL

from tests.support import children
from tests.support.feast_objects import SCALES, source_of
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.feature_store import FeastFeatureStore
from trilock.server.planes.feast.process import Message, Worker
from trilock.server.planes.feast.worker import last_line

NOW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
ORIGINS: Final = ("EWR", "JFK", "LGA")
feast_warnings: Final = pytest.mark.filterwarnings(
    # Feast's PostgreSQL online store never closes its connections.
    "ignore:.*was deleted while still open:ResourceWarning",
    "ignore:.* experimental feature:RuntimeWarning",
)

_COMMON: Final = """
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
weather_source = FileSource(
    name="weather_source",
    path="data/{source}.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)
weather = FeatureView(
    name="weather",
    entities=[origin],
    ttl=timedelta(days=30),
    schema=[Field(name="origin", dtype=String), {fields}],
    source=weather_source,
)
airports = FeatureView(
    name="airports",
    entities=[origin],
    schema=[Field(name="origin", dtype=String), Field(name="label", dtype=String)],
    source=FileSource(
        name="airports_source", path="data/airports.parquet", timestamp_field="event_timestamp"
    ),
)
trip = RequestSource(name="trip", schema=[Field(name="distance", dtype=Float64)])


@on_demand_feature_view(
    sources=[weather, trip], schema=[Field(name="temp_distance", dtype=Float64)]
)
def derived(inputs: pd.DataFrame) -> pd.DataFrame:
    derived = pd.DataFrame()
    derived["temp_distance"] = inputs["temp"] * inputs["distance"]
    return derived


delay = FeatureService(name="delay", features=[weather, derived])
places = FeatureService(name="places", features=[airports])
"""

_TEMP: Final = 'Field(name="temp", dtype=Float64)'
_BOTH: Final = f'{_TEMP}, Field(name="humidity", dtype=Float64)'
_FIELDS: Final = {"celsius": _TEMP, "scaled": _BOTH, "wider": _BOTH}


def features_py(variant: str) -> str:
    """Return the repository's Python."""
    return _COMMON.format(source=source_of(variant), fields=_FIELDS[variant])


@cache
def import_feast() -> ModuleType:
    """Return Feast, imported once."""
    import feast  # noqa: PLC0415 - takes seconds

    # A hundred thousand objects that stay: collecting them again and again
    # would take a third of these tests' time.
    gc.collect()
    gc.freeze()
    return feast


class InlineWorker:
    """Implements Worker without a process: the job runs here, where Feast is imported once."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """See Worker."""
        import_feast()
        from trilock.server.planes.feast.jobs import JOBS  # noqa: PLC0415 - imports Feast

        noise = io.StringIO()
        try:
            with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
                JOBS[request["job"]](request, tell)
        except PreconditionError:
            raise
        except Exception as error:
            raise PreconditionError(last_line(error)) from error


class ForkWorker:
    """Implements Worker with a fork of a process that has imported Feast already."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """See Worker."""
        error = None
        for message in children.messages(_run_forked, dict(request)):
            assert isinstance(message, dict)
            error = message.get("error", error)
            tell(message)
        if error is not None:
            raise PreconditionError(error)


def _run_forked(request: Mapping[str, Any], sender: children.Sender) -> None:
    from trilock.server.planes.feast.jobs import JOBS  # noqa: PLC0415 - imports Feast

    warnings.simplefilter("ignore")
    try:
        os.chdir(request["base"])
        JOBS[request["job"]](request, sender.send)
    except BaseException as error:  # noqa: BLE001 - as in the real worker
        sender.send({"error": last_line(error)})


class FeastRepo:
    """A folder with `feature_store.yaml`, Python, data, and git."""

    def __init__(self, folder: Path, *, registry: str, online_store: Mapping[str, object]) -> None:
        """Open what is in *folder*; make it if there is nothing yet."""
        self.folder = folder
        self.yaml = folder / "feature_store.yaml"
        is_new = not (folder / "data").exists()
        (folder / "data").mkdir(parents=True, exist_ok=True)
        kind = "sql" if "://" in registry else "file"
        self.configure(
            registry={"registry_type": kind, "path": registry}, online_store=dict(online_store)
        )
        if is_new:
            self._observe_first()

    def _observe_first(self) -> None:
        for variant in SCALES:
            for number, origin in enumerate(ORIGINS, start=1):
                self.observe(
                    variant, origin=origin, temp=10.0 * number, at=NOW - timedelta(hours=6)
                )
        _append(
            self.folder / "data" / "airports.parquet",
            [{"origin": o, "label": o.lower(), "event_timestamp": NOW} for o in ORIGINS],
        )

    def configure(self, **settings: object) -> None:
        """Write `feature_store.yaml`; later settings replace earlier ones."""
        known = yaml.safe_load(self.yaml.read_text()) if self.yaml.exists() else {}
        defaults = {
            "project": "delay",
            "provider": "local",
            "offline_store": {"type": "dask"},
            "entity_key_serialization_version": 3,
        }
        self.yaml.write_text(yaml.safe_dump({**defaults, **known, **settings}))

    def observe(self, variant: str, *, origin: str, temp: float, at: datetime) -> None:
        """Add a row to the variant's source, in its scale."""
        value = temp * SCALES[variant]
        row = {"origin": origin, "temp": value, "humidity": value, "event_timestamp": at}
        _append(self.folder / "data" / f"{variant}.parquet", [{**row, "created": at}])

    def apply(self, variant: str, *, project: str = "delay") -> None:
        """Do what `feast apply` does, in this process."""
        self.apply_text(features_py(variant), name=variant, project=project)

    def apply_text(self, text: str, *, name: str, project: str = "delay") -> None:
        """Do what `feast apply` does with other Python; *name* makes its file's name."""
        objects = self.objects(text, name=name)
        store = self.feast(project)
        # Else the SQL registry reads itself whole after every object: half of the time.
        store.registry.cache_mode = "thread"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store.apply(objects)

    def objects(self, text: str, *, name: str) -> list[Any]:
        """Return what the Python in *text* defines."""
        kinds = ("Entity", "FeatureService", "FeatureView", "LabelView", "OnDemandFeatureView")
        return [
            value
            for value in vars(self._load(text, name=name)).values()
            if any(base.__name__ in kinds for base in type(value).__mro__)
        ]

    def feast(self, project: str) -> Any:
        """Return Feast's own store of *project*, without anything cached."""
        feast = import_feast()
        config = feast.repo_config.load_repo_config(self.folder, self.yaml)
        config.project = project
        return feast.FeatureStore(config=config)

    def serve(self, project: str, *, origin: str) -> dict[str, object]:
        """Return what Feast serves for the service `delay`, with a distance of 2."""
        store = self.feast(project)
        answer = store.get_online_features(
            features=store.get_feature_service("delay"),
            entity_rows=[{"origin": origin, "distance": 2.0}],
        ).to_dict()
        return {name: values[0] for name, values in answer.items()}

    def commit_text(self, text: str) -> str:
        """Commit *text* as `features.py` in folder `features`; return the commit id."""
        folder = self.folder / "git" / "features"
        if not folder.exists():
            folder.mkdir(parents=True)
            self._git("init", "--quiet")
        (folder / "features.py").write_text(text)
        self._git("add", "features/features.py")
        self._git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["/usr/bin/env", "git", *identity, *arguments],
            cwd=self.folder / "git",
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def _load(self, text: str, *, name: str) -> ModuleType:
        name = f"features_{name}"  # it is part of the serialised function
        file = self.folder / f"{name}.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


class FeastWorld(FeastRepo):
    """A Feast repository, and the store under test on top of it."""

    def __init__(
        self,
        folder: Path,
        *,
        registry: str,
        online_store: Mapping[str, object],
        worker: Worker | None = None,
    ) -> None:
        super().__init__(folder, registry=registry, online_store=online_store)
        self.repository = folder / "git"
        self.store = FeastFeatureStore(
            self.yaml, worker_timeout=60.0, worker=worker or InlineWorker()
        )

    def temp(self, project: str, *, origin: str) -> object:
        """Return the `temp` that *project* serves."""
        return self.serve(project, origin=origin)["temp"]

    def commit(self, variant: str) -> str:
        """Commit the variant, in folder `features` of the repository."""
        return self.commit_text(features_py(variant))

    def close(self) -> None:
        """Close what the store holds open, and let go of what Feast does."""
        self.store.close()
        gc.collect()


class SqliteWorld(FeastWorld):
    """Registry and online store in SQLite files, by default in two."""

    def __init__(
        self, folder: Path, *, online: str = "online.db", worker: Worker | None = None
    ) -> None:
        self.file = folder / "registry.db"
        super().__init__(
            folder,
            registry=f"sqlite:///{self.file}",
            online_store={"type": "sqlite", "path": online},
            worker=worker,
        )

    def break_down(self) -> None:
        """Put something in the registry's place that is no file."""
        self.file.unlink()
        self.file.mkdir()
        self.store.close()


class FileWorld(FeastWorld):
    """A registry in a file, as for development."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "registry.db"
        online = {"type": "sqlite", "path": "online.db"}
        super().__init__(folder, registry=str(self.file), online_store=online)

    def break_down(self) -> None:
        """Put something in the registry's place that is no file."""
        self.file.unlink()
        self.file.mkdir()


class PostgresWorld(FeastWorld):
    """Registry and online store in PostgreSQL, by default in one database."""

    def __init__(
        self, folder: Path, *, url: URL, online: URL | None = None, worker: Worker | None = None
    ) -> None:
        self.url = url
        database = url if online is None else online
        super().__init__(
            folder,
            registry=url.set(drivername="postgresql+psycopg").render_as_string(),
            online_store={
                "type": "postgres",
                "host": str(database.query["host"]),
                "database": database.database,
                "db_schema": "features",
                "user": database.username,
                "password": "",
                "sslmode": "disable",
            },
            worker=worker,
        )

    def break_down(self) -> None:
        """Let nobody connect any more."""
        server = self.url.set(database="postgres", drivername="postgresql")
        with psycopg.connect(server.render_as_string(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(
                    sql.Identifier(str(self.url.database))
                )
            )
        self.store.close()


def _append(file: Path, rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows)
    if file.exists():
        frame = pd.concat([pd.read_parquet(file), frame])
    frame.to_parquet(file)
