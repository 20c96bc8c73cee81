"""FIT013: the frame of the serving path has every column the model reads."""

from collections.abc import Iterator

from trilock.compat.frame import Origin, ServingPath
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    if context.policy.serving_path is not ServingPath.ONLINE:
        return
    for reading in context.readings:
        column = reading.column
        if column is not None and column.origin is Origin.REQUEST_FIELD:
            yield Violation(
                path=reading.path,
                expected=reading.expected,
                found="a request field, known to the caller only",
                message=f"the model expects {reading.path!r}, but that is a request field: Feast"
                " does not put it into its online frame, so the caller has to",
            )


RULE = Rule(
    id="FIT013",
    category=Category.FIT,
    severity=Severity.WARNING,
    purpose="The frame of the serving path has every column the model reads.",
    why=(
        "The values of a `RequestSource` are known to the caller. Feast uses them for on-demand "
        "views and leaves them out of its online frame; historical frames have them, because the "
        "entity frame had."
    ),
    remedy="add the column to the frame before predict, or let an on-demand view pass it on",
    example="the model reads 'distance', which is a field of a RequestSource",
    check=_check,
)
