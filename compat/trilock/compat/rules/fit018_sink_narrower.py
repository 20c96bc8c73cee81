"""FIT018: the sinks' columns are as wide as what the model writes."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sinks import Fit, writings


def _check(context: Context) -> Iterator[Violation]:
    for writing in writings(context.subject):
        if writing.fit is Fit.NARROWER:
            yield Violation(
                path=writing.name,
                expected=f"a column for every {writing.output}",
                found=f"{writing.sql_type}",
                message=f"the model writes {writing.name!r} as {writing.output}, but the column"
                f" of {writing.sink} is {writing.sql_type}, which is narrower except on SQLite",
            )


RULE = Rule(
    id="FIT018",
    category=Category.FIT,
    severity=Severity.INFO,
    purpose="The sinks' columns are as wide as what the model writes.",
    why=(
        "PostgreSQL's `integer` and `real` have four bytes. Large values are refused and precise "
        "ones rounded. On SQLite both have eight, and there is nothing to do; hence only an "
        "information."
    ),
    remedy="widen the column (bigint, double precision) if large or precise values can occur",
    example="output long, sink column integer of PostgreSQL",
    check=_check,
)
