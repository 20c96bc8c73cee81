"""How long a serving process waits for `import trilock.client`: under 1.3x of gRPC itself.

    .venv/bin/python bench/bench_client_import.py

The baseline is what no client of a gRPC API can do without: `import grpc` and the builder
of generated messages. Each import is timed in a process of its own, in turns: its processor
time, which does not depend on what else the machine does.
"""

import json
import statistics
import subprocess
import sys

BOUND = 1.3
ROUNDS = 15
BASELINE = "import grpc; from google.protobuf.internal import builder"
CLIENT = "import trilock.client"

_TIMED = """
import time
start = time.process_time()
{code}
print((time.process_time() - start) * 1e3)
"""


def milliseconds(code: str) -> float:
    """Return how long *code* takes in a new process, bytecode compiled."""
    run = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-c", _TIMED.format(code=code)], capture_output=True, check=True
    )
    return float(run.stdout)


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure))
    return ok


def main() -> int:
    """Measure both in turns; return 1 if the bound is broken."""
    for code in (BASELINE, CLIENT):
        milliseconds(code)  # compiles what is not compiled yet
    pairs = [(milliseconds(BASELINE), milliseconds(CLIENT)) for _ in range(ROUNDS)]
    bare, client = (statistics.median(times) for times in zip(*pairs, strict=True))
    row("import_grpc_and_protobuf_builder", bare, "ms", None)
    row("import_trilock_client", client, "ms", None)
    # The fastest of each: what others do on the machine only ever adds.
    fastest = min(mine for _, mine in pairs) / min(theirs for theirs, _ in pairs)
    kept = row("import_trilock_client_over_grpc", fastest, "x", BOUND)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
