"""How long `trilock check` of a repository with 50 views takes, offline, beyond Feast's own import.

    .venv/bin/python bench/bench_check_repo.py

The baseline is a Python that imports what `feast apply` imports and ends, measured in the same run:
neither can be had without the other, and it is most of the time. The check is the whole command, as
CI runs it: its own process, the worker, the throwaway registry, the judging, the output.

What is bounded is processor time, of the command and of all that it starts: they work one after the
other, so that on a machine with nothing else to do it is the time that passes, and on a busy one it
still says something. The time that passed is told beside it.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VIEWS = 50
FEATURES_PER_VIEW = 10
ROUNDS = 5
BOUND_S = 1.0

SETTINGS = """\
project: bench
provider: local
registry: data/registry.db
online_store: {type: sqlite, path: data/online.db}
entity_key_serialization_version: 3
"""
FEATURES = f"""\
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
views = [
    FeatureView(
        name=f"view_{{number}}",
        entities=[origin],
        ttl=timedelta(days=1),
        schema=[
            Field(name="origin", dtype=String),
            *(
                Field(name=f"feature_{{number}}_{{index}}", dtype=Float64)
                for index in range({FEATURES_PER_VIEW})
            ),
        ],
        source=FileSource(
            name=f"source_{{number}}",
            path=f"data/{{number}}.parquet",
            timestamp_field="event_timestamp",
        ),
    )
    for number in range({VIEWS})
]
globals().update({{view.name: view for view in views}})
service = FeatureService(name="bench", features=views)
"""
IMPORTS = "from feast import FeatureStore; from feast.repo_operations import parse_repo"


def seconds(command: list[str], *, folder: Path) -> tuple[float, float]:
    """Return processor time and time that passed of *command*, which must end well."""
    before, start = _children(), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603 - our own
    return _children() - before, time.perf_counter() - start


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure both in turns; return 1 if the bound is broken."""
    # A check never writes bytecode of the repository, and must find that of all else.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    program = str(Path(sys.executable).parent / "trilock")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = folder / "repository"
        repository.mkdir()
        (repository / "feature_store.yaml").write_text(SETTINGS)
        (repository / "features.py").write_text(FEATURES)
        check = [program, "check", "--repo", "repository"]
        bare = [sys.executable, "-c", IMPORTS]
        seconds([*check, "--write-baseline", "baseline.json"], folder=folder)  # and warms up
        rounds = [
            (
                seconds(bare, folder=folder),
                seconds([*check, "--baseline", "baseline.json"], folder=folder),
            )
            for _ in range(ROUNDS)
        ]
    # In pairs, so that load which comes and goes is in both.
    beyond, passed = (
        statistics.median(mine[which] - theirs[which] for theirs, mine in rounds)
        for which in (0, 1)
    )
    rows = [
        ("check_repo_50_views_beyond_feast_import", beyond, BOUND_S),
        ("check_repo_50_views_beyond_feast_import_passed", passed, None),
        ("feast_import", statistics.median(theirs[0] for theirs, _ in rounds), None),
    ]
    for row, value, bound in rows:
        ok = bound is None or value <= bound
        figure = {"name": row, "value": round(value, 3), "unit": "s", "bound": bound, "ok": ok}
        print(json.dumps(figure))
    return 0 if beyond <= BOUND_S else 1


if __name__ == "__main__":
    sys.exit(main())
