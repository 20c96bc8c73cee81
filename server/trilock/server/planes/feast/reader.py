"""What a Feast feature server serves, asked as its users ask it.

It keeps the registry for as long as it was told to, and there is no way to have
it look again: what can be done is to ask until it answers as it should.
"""

import json
import math
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

from trilock.server.domain.ports import Comparison

_SECONDS: Final = 2.0
_CLOSE: Final = 1e-6
"""Relative: a server may round what it writes as JSON."""


def ask(url: str, *, comparisons: Sequence[Comparison]) -> str:
    """Return how the server at *url* differs from the examples; "" if it does not."""
    for view in comparisons:
        if not view.examples:
            continue
        try:
            problem = _ask(url, view)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            # An HTTP error is an OSError; a server that misses a feature answers with one.
            problem = f"{type(error).__name__}: {error}"
        if problem:
            return f"{url} does not serve {view.view} yet: {problem}"
    return ""


def _ask(url: str, view: Comparison) -> str:
    names = list(view.examples[0].values)
    body = {
        "features": [f"{view.view}:{name}" for name in names],
        "entities": {
            key: [example.keys[key] for example in view.examples] for key in view.examples[0].keys
        },
    }
    request = urllib.request.Request(  # noqa: S310 - the settings allow http and https only
        f"{url.rstrip('/')}/get-online-features",
        data=json.dumps(body, default=str).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - same
        answer = json.load(response)
    columns = list(answer["metadata"]["feature_names"])
    missing = [name for name in names if name not in columns]
    if missing:
        return f"it has no {', '.join(missing)}"
    for name in names:
        served = answer["results"][columns.index(name)]["values"]
        for example, value in zip(view.examples, served, strict=True):
            if not _same(value, example.values[name]):
                return f"{name} is {value}, not {example.values[name]}, for {dict(example.keys)}"
    return ""


def _same(served: Any, wanted: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(served, float | int) and isinstance(wanted, float | int):
        both_nan = math.isnan(served) and math.isnan(wanted)
        return both_nan or math.isclose(served, wanted, rel_tol=_CLOSE)
    return bool(served == wanted) or str(served) == str(wanted)
