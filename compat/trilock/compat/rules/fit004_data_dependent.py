"""FIT004: whether a column is accepted does not depend on its values."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.frame import Batch
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        column = reading.column
        if column is None or reading.full is not Outcome.DEPENDS:
            continue
        dtype = column.dtype(Batch.FULL)
        why = (
            "MLflow accepts only while every value is 0, 1 or missing"
            if dtype == "int64"
            else "MLflow accepts or refuses by the values of each batch"
        )
        yield Violation(
            path=reading.path,
            expected=reading.expected,
            found=f"{column.type}, delivered as {dtype}",
            message=f"the model expects {reading.path!r} as {reading.expected}, but the"
            f" {column.origin} {column.ref!r} is {column.type}, delivered as {dtype}, and {why}",
        )


RULE = Rule(
    id="FIT004",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Whether a column is accepted does not depend on its values.",
    why=(
        "MLflow accepts int64 for `float` and `double` only while every value of the batch is 0, "
        "1 or missing. A test batch may pass; production will not. Object columns are inferred "
        "anew for each batch, too. trilock never calls such a column compatible, and neither "
        "should a test that happened to pass."
    ),
    remedy="declare the feature with the type that the model expects (Float64 for double)",
    example="signature double, feature Int64: a test batch of zeros and ones passes, production"
    " does not",
    check=_check,
)
