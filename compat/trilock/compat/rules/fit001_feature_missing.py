"""FIT001: every required input of the model is delivered."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation

_MOST_HINTS: Final = 5
"""A hint looks at every column; a model of other features altogether needs none."""


def _check(context: Context) -> Iterator[Violation]:
    service = context.subject.features.service
    missing = [
        reading for reading in context.readings if reading.column is None and reading.spec.required
    ]
    for reading in missing:
        hint = _hint(context, name=reading.path) if len(missing) <= _MOST_HINTS else ""
        yield Violation(
            path=reading.path,
            expected=reading.expected,
            found="nothing",
            message=f"the model expects {reading.path!r} ({reading.expected}), but {service!r}"
            f" does not deliver it{hint}",
        )


def _hint(context: Context, *, name: str) -> str:
    close = get_close_matches(name, context.frame.columns, n=1)
    return f"; there is {close[0]!r}" if close else ""


RULE = Rule(
    id="FIT001",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Every required input of the model is delivered.",
    why=(
        "Without the column MLflow raises `Model is missing inputs` for every request. Columns "
        "are features, join keys (by the name after the service's join key map) and request "
        "fields. Names are case-sensitive. With `full_feature_names` columns are called "
        "`view__feature`. Features that the model does not read are fine: MLflow drops them."
    ),
    remedy="add the feature to the feature service, or train the model without it",
    example="the signature has 'temp_c'; the service delivers only 'temp_f'",
    check=_check,
)
