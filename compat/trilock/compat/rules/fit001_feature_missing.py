"""FIT001: every required input of the model is delivered."""

from collections.abc import Iterator
from difflib import get_close_matches

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    service = context.subject.features.service
    for reading in context.readings:
        if reading.column is None and reading.spec.required:
            close = get_close_matches(reading.path, context.frame.columns, n=1)
            hint = f"; there is {close[0]!r}" if close else ""
            yield Violation(
                path=reading.path,
                expected=reading.expected,
                found="nothing",
                message=f"the model expects {reading.path!r} ({reading.expected}), but"
                f" {service!r} does not deliver it{hint}",
            )


RULE = Rule(
    id="FIT001",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Every required input of the model is delivered.",
    remedy="add the feature to the feature service, or train the model without it",
    example="the signature has 'temp_c'; the service delivers only 'temp_f'",
    check=_check,
)
