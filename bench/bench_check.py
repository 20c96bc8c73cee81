"""How long a check takes: 1,000 features under 20 ms with all rules, and linear up to 10,000.

    .venv/bin/python bench/bench_check.py

The baseline is the cheapest thing that looks at every feature once: building
the frame that the model is handed. It is linear, so growth is judged against
its growth in the same run: memory and load slow both alike.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

from trilock.compat import (
    FeatureSet,
    Predecessor,
    RawObject,
    ServingPath,
    Subject,
    check,
    parse_features,
    parse_signature,
)
from trilock.compat.frame import build_frame

BOUND_MS = 20.0
LINEAR = 1.5
"""How much more a check may grow than the baseline, over ten times as many features."""

FEATURES_PER_VIEW = 50
ROUNDS = 15


def features(count: int) -> FeatureSet:
    """Return *count* features, all double, in views of fifty."""
    objects = []
    projections = []
    for number in range(count // FEATURES_PER_VIEW):
        name = f"view_{number}"
        fields = [
            {"name": f"{name}_{index}", "value_type": 5} for index in range(FEATURES_PER_VIEW)
        ]
        keys = [{"name": "id", "value_type": 4}]
        spec = {"name": name, "features": fields, "entity_columns": keys}
        objects.append(_raw("feature_view", name, spec))
        projections.append({"feature_view_name": name, "feature_columns": fields})
    service = {"name": "bench", "features": projections}
    return parse_features([*objects, _raw("feature_service", "bench", service)], service="bench")


def _raw(kind: str, name: str, spec: object) -> RawObject:
    return RawObject(kind=kind, name=name, definition={"spec": spec}, unknown_fields=False)


def subject(delivered: FeatureSet) -> Subject:
    """Return a model that reads every feature."""
    inputs = [{"name": one.name, "type": "double", "required": True} for one in delivered.features]
    signature = parse_signature(inputs=json.dumps(inputs), outputs=None, params=None)
    return Subject(name="bench", signature=signature, features=delivered)


def median_ms(work: Callable[[], object]) -> float:
    """Return the median time of *work* in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def measure(count: int) -> tuple[float, float]:
    """Return the milliseconds of a check of *count* features, and of the baseline."""
    delivered = features(count)
    judged = subject(delivered)
    before = [Predecessor(name="before", subject=judged)]
    refs = frozenset(one.ref for one in delivered.features)

    def baseline() -> object:
        return build_frame(
            delivered, path=ServingPath.ONLINE, may_be_missing=refs, full_feature_names=False
        )

    return median_ms(lambda: check(judged, predecessors=before)), median_ms(baseline)


def row(name: str, value: float, unit: str, bound: float | None) -> bool:
    """Print one figure as JSON; return whether it keeps its bound."""
    ok = bound is None or value <= bound
    figure = {"name": name, "value": round(value, 3), "unit": unit, "bound": bound, "ok": ok}
    print(json.dumps(figure))
    return ok


def main() -> int:
    """Measure both sizes; return 1 if a bound is broken."""
    small, bare_small = measure(1_000)
    large, bare_large = measure(10_000)
    kept = [
        row("check_1000_features", small, "ms", BOUND_MS),
        row("check_10000_features", large, "ms", None),
        row(
            "check_growth_over_frame_growth", large / small / (bare_large / bare_small), "x", LINEAR
        ),
    ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
