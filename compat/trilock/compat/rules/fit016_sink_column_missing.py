"""FIT016: the sinks have a column for everything the model writes."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sinks import Fit, writings


def _check(context: Context) -> Iterator[Violation]:
    for writing in writings(context.subject):
        if writing.fit is Fit.ABSENT:
            yield Violation(
                path=writing.name,
                expected=f"a column for {writing.output}",
                found="nothing",
                message=f"the model writes {writing.name!r} as {writing.output}, but no sink has"
                " such a column",
            )


RULE = Rule(
    id="FIT016",
    category=Category.FIT,
    severity=Severity.WARNING,
    purpose="The sinks have a column for everything the model writes.",
    why=(
        "An output that no sink has a column for is either left out by the writer on purpose, or "
        "an error on the first write."
    ),
    remedy="add the column to the table, or waive it if the writer leaves it out",
    example="outputs 'delay' and 'confidence'; the table has no 'confidence'",
    check=_check,
)
