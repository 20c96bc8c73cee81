"""FIT011: optional inputs of the model are delivered too."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        if reading.column is None and not reading.spec.required:
            yield Violation(
                path=reading.path,
                expected=f"{reading.expected}, optional",
                found="nothing",
                message=f"the model can use {reading.path!r} ({reading.expected}), but"
                f" {context.subject.features.service!r} does not deliver it: it will run without",
            )


RULE = Rule(
    id="FIT011",
    category=Category.FIT,
    severity=Severity.WARNING,
    purpose="Optional inputs of the model are delivered too.",
    why=(
        "An optional input that is not there is simply left out of the frame the model gets. That "
        "is allowed, but a model that was trained with the feature and is served without it is "
        "rarely what anybody meant."
    ),
    remedy="add the feature to the feature service, or waive it if the model should do without",
    example="optional input 'gust'; the service has no such feature",
    check=_check,
)
