"""FIT014: Feast can serve the feature service as it is defined."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    features = context.subject.features
    for problem in features.broken:
        yield Violation(
            path=features.service,
            expected="a feature service that Feast can serve",
            found=problem,
            message=f"the model expects {features.service!r} to be served, but {problem}",
        )


RULE = Rule(
    id="FIT014",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Feast can serve the feature service as it is defined.",
    why=(
        "A feature service stores what it takes of each view. If a view loses a feature or "
        "changes its type and the service is not applied again, Feast raises `The projection for "
        "... cannot be applied` for every request. Reverting a view alone does exactly that. A "
        "disabled view cannot be served either."
    ),
    remedy="apply the feature service and its views together, from one commit",
    example="a view was reverted alone; the service still takes a feature that the view lost",
    check=_check,
)
