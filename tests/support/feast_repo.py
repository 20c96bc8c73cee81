"""A real Feast repository on disk, and what its users do with it.

Two variants of one service: `celsius`, and `scaled`, which reads another file
and has one feature more. Both write and serve `temp`; `scaled` is a hundred
times as much, so that nobody can mistake one for the other.
"""

import contextlib
import importlib.util
import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import yaml

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast_process import Message
from trilock.server.planes.feast_worker import last_line

NOW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
ORIGINS: Final = ("EWR", "JFK", "LGA")
SCALES: Final = {"celsius": 1.0, "scaled": 100.0}

_COMMON: Final = """
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
weather_source = FileSource(
    name="weather_source",
    path="data/{variant}.parquet",
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

_FIELDS: Final = {
    "celsius": 'Field(name="temp", dtype=Float64)',
    "scaled": 'Field(name="temp", dtype=Float64), Field(name="humidity", dtype=Float64)',
}


def features_py(variant: str) -> str:
    """Return the repository's Python."""
    return _COMMON.format(variant=variant, fields=_FIELDS[variant])


class InlineWorker:
    """Implements Worker without a process: the job runs here, where Feast is imported once."""

    def run(self, request: Mapping[str, Any], *, tell: Callable[[Message], None]) -> None:
        """See Worker."""
        from trilock.server.planes.feast_jobs import JOBS  # noqa: PLC0415 - imports Feast

        noise = io.StringIO()
        try:
            with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
                JOBS[request["job"]](request, tell)
        except PreconditionError:
            raise
        except Exception as error:
            raise PreconditionError(last_line(error)) from error


class FeastRepo:
    """A folder with `feature_store.yaml`, Python, data, and git."""

    def __init__(self, folder: Path, *, registry: str, online_store: Mapping[str, object]) -> None:
        self.folder = folder
        self.yaml = folder / "feature_store.yaml"
        (folder / "data").mkdir(parents=True)
        self.configure(
            registry={"registry_type": "sql", "path": registry}, online_store=online_store
        )
        for variant in SCALES:
            for number, origin in enumerate(ORIGINS, start=1):
                self.observe(
                    variant, origin=origin, temp=10.0 * number, at=NOW - timedelta(hours=6)
                )
        _append(
            folder / "data" / "airports.parquet",
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
        module = self._load(variant)
        objects = [
            value
            for name, value in vars(module).items()
            if name in {"origin", "weather", "airports", "derived", "delay", "places"}
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.feast(project).apply(objects)

    def feast(self, project: str) -> Any:
        """Return Feast's own store of *project*, without anything cached."""
        from feast import FeatureStore  # noqa: PLC0415 - takes seconds
        from feast.repo_config import load_repo_config  # noqa: PLC0415

        config = load_repo_config(self.folder, self.yaml)
        config.project = project
        return FeatureStore(config=config)

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

    def _load(self, variant: str) -> ModuleType:
        name = f"features_{uuid4().hex}"
        file = self.folder / f"{name}.py"
        file.write_text(features_py(variant))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


def _append(file: Path, rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows)
    if file.exists():
        frame = pd.concat([pd.read_parquet(file), frame])
    frame.to_parquet(file)
