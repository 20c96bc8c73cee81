"""What a request pays: resolve from memory under 2 us median, and taking a model from a slot.

    .venv/bin/python bench/bench_resolve.py

Beside it, in the same run: a bare look-up in a dictionary, and what somebody without
trilock would do on every request, `get_model_version_by_alias` of MLflow over HTTP.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.mlflow_server import MlflowServer
from trilock.client import ModelSlot, Resolver
from trilock.client.testing import FakeTrilock

BOUND_US = 2.0
CALLS = 1_000
ROUNDS = 200
HTTP_CALLS = 100
WAIT = 30.0


def median_us(work: Callable[[], object]) -> float:
    """Return the median over rounds of what one call of *work* takes, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            work()
        times.append((time.perf_counter() - start) / CALLS * 1e6)
    return statistics.median(times)


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure))
    return ok


def from_memory() -> list[bool]:
    """Measure the resolver and the slot."""
    with FakeTrilock() as trilock:
        live = trilock.release("delay", model_version="1")
        trilock.release("limited", serving_config={"max_stale_seconds": 60})
        plain = {"delay": live}
        with (
            Resolver(trilock.address, ["delay"]) as resolver,
            Resolver(trilock.address, ["limited"]) as limited,
            ModelSlot(resolver, load=lambda bundle: bundle.bundle) as slot,
        ):
            assert resolver.wait_ready(WAIT)
            assert limited.wait_ready(WAIT)
            assert slot.wait_ready(WAIT)
            memory = median_us(lambda: resolver.current("delay"))
            return [
                row("dictionary_look_up", median_us(lambda: plain.get("delay")), "us", None),
                row("resolve_from_memory", memory, "us", BOUND_US),
                row(
                    "resolve_from_memory_with_max_stale",
                    median_us(lambda: limited.current("limited")),
                    "us",
                    BOUND_US,
                ),
                row("slot_from_memory", median_us(slot.current), "us", BOUND_US),
            ]


def over_http() -> float:
    """Return the median microseconds of MLflow's own answer."""
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

    with tempfile.TemporaryDirectory() as folder, MlflowServer(Path(folder)) as server:
        database = f"sqlite:///{server.database}"
        there = MlflowClient(tracking_uri=database, registry_uri=database)
        there.create_registered_model("delay")
        there.create_model_version("delay", source=(Path(folder) / "artifacts").as_uri())
        there.set_registered_model_alias("delay", "production", "1")
        client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
        times = []
        for _ in range(HTTP_CALLS):
            start = time.perf_counter()
            client.get_model_version_by_alias("delay", "production")
            times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)


def main() -> int:
    """Measure all of it; return 1 if a bound is broken."""
    kept = from_memory()
    row("mlflow_get_model_version_by_alias_over_http", over_http(), "us", None)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
