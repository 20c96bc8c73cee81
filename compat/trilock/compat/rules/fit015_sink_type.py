"""FIT015: the sinks' columns take what the model writes."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sinks import Fit, writings


def _check(context: Context) -> Iterator[Violation]:
    for writing in writings(context.subject):
        if writing.fit is Fit.WRONG:
            yield Violation(
                path=writing.name,
                expected=f"a column for {writing.output}",
                found=f"{writing.sql_type}",
                message=f"the model writes {writing.name!r} as {writing.output}, but the column"
                f" of {writing.sink} is {writing.sql_type}",
            )


RULE = Rule(
    id="FIT015",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="The sinks' columns take what the model writes.",
    why=(
        "MLflow never enforces outputs, so the first to object is the database, in the writer, "
        "under load. Named outputs are compared with the sinks' columns by name, without regard "
        "to case. Outputs without a name are not judged: only the writer knows where they go."
    ),
    remedy="alter the table first, or convert the prediction before it is written",
    example="output string, sink column 'delay double precision'",
    check=_check,
)
