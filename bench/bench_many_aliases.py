"""One resolver with 10,000 aliases: memory for each, and the time until all are known.

    .venv/bin/python bench/bench_many_aliases.py

The baseline is the cheapest that knows as much: one bare stream that receives the same
message, and reads every field out of it.
"""

import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable

import grpc

from trilock.client import Resolver
from trilock.client.testing import FakeTrilock
from trilock.v1.serving_pb2 import LiveBundle
from trilock.v1.serving_service_pb2 import WatchRequest
from trilock.v1.serving_service_pb2_grpc import ServingServiceStub

ALIASES = 10_000
ROUNDS = 5
BOUND_KIB = 3.0
"""Of each alias; its message alone, parsed, is about 1 KiB."""
BOUND_START = 5.0
"""A value is checked, immutable, and its config is JSON text; it is kept and told, too."""
WAIT = 60.0
_RECEIVE = (("grpc.max_receive_message_length", 64 << 20),)


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure))
    return ok


def median_ms(work: Callable[[], object]) -> float:
    """Return the median time of *work* in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def kib_for_each(address: str) -> float:
    """Return how much memory a resolver that knows all holds for each alias."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    with Resolver(address) as resolver:
        assert resolver.wait_ready(WAIT)
        assert len(resolver.snapshot()) == ALIASES
        after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / ALIASES / 1024


def main() -> int:
    """Measure all of it; return 1 if a bound is broken."""
    with FakeTrilock() as trilock, tempfile.TemporaryDirectory() as folder:
        for number in range(ALIASES):
            trilock.promote(f"m{number}")

        def bare() -> None:
            with grpc.insecure_channel(trilock.address, _RECEIVE) as channel:
                call = ServingServiceStub(channel).Watch(WatchRequest(), timeout=WAIT)
                assert len([fields(live) for live in next(call).live_bundles]) == ALIASES
                call.cancel()

        def resolver(cache_dir: str | None = None) -> None:
            with Resolver(trilock.address, cache_dir=cache_dir) as resolver:
                assert resolver.wait_ready(WAIT)

        resolver(folder)
        baseline, started = median_ms(bare), median_ms(resolver)
        row("bare_stream_of_10000_aliases", baseline, "ms", None)
        row("resolver_knows_10000_aliases", started, "ms", None)
        row("resolver_knows_10000_aliases_from_disk", median_ms(from_disk(folder)), "ms", None)
        kept = [
            row("resolver_start_over_bare_stream", started / baseline, "x", BOUND_START),
            row("resolver_memory_of_one_alias", kib_for_each(trilock.address), "KiB", BOUND_KIB),
        ]
    return 0 if all(kept) else 1


def fields(live: LiveBundle) -> tuple[object, ...]:
    """Return all that *live* says."""
    bundle, cause = live.live, live.cause
    return (
        live.alias,
        live.state,
        live.revision,
        live.generation,
        bundle.bundle,
        bundle.release,
        bundle.registered_model,
        bundle.model_version,
        bundle.feature_project,
        bundle.feature_service,
        bundle.pipeline_revision,
        bundle.sink_epoch,
        dict(bundle.serving_config.items()),
        live.HasField("standby"),
        cause.principal,
        cause.reason,
        cause.incident,
    )


def from_disk(folder: str) -> Callable[[], object]:
    """Return what starts without a server, from what an earlier process left in *folder*."""

    def start() -> None:
        with Resolver("127.0.0.1:1", cache_dir=folder) as resolver:
            assert len(resolver.snapshot()) == ALIASES

    return start


if __name__ == "__main__":
    sys.exit(main())
