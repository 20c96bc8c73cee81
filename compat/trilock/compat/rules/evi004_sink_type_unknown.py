"""EVI004: the types of the sinks' columns are known."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sinks import Fit, writings


def _check(context: Context) -> Iterator[Violation]:
    for writing in writings(context.subject):
        if writing.fit is Fit.UNKNOWN:
            yield Violation(
                path=writing.name,
                expected=f"a column for {writing.output}",
                found=writing.sql_type or "nothing",
                message=f"the model writes {writing.name!r} as {writing.output}, but whether a"
                f" column of type {writing.sql_type!r} of {writing.sink} takes it is not known",
            )


RULE = Rule(
    id="EVI004",
    category=Category.EVIDENCE,
    severity=Severity.WARNING,
    purpose="The types of the sinks' columns are known.",
    why=(
        "trilock knows the column types of PostgreSQL and SQLite. A type of your own may or may "
        "not take the predictions. This is a warning: what is written in the soak goes to a "
        "staging table of the same shape, so a wrong type shows there before it can hurt."
    ),
    remedy="try it in the soak: staged rows are not in the table yet",
    example="output double, sink column of the user-defined type 'money_eur'",
    check=_check,
)
