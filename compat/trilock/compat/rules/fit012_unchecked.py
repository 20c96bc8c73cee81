"""FIT012: MLflow does not let a column through that the model does not expect."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.frame import Batch
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        column = reading.column
        if column is None or reading.full is not Outcome.UNCHECKED:
            continue
        dtype = column.dtype(Batch.FULL)
        yield Violation(
            path=reading.path,
            expected=reading.expected,
            found=f"{column.type}, delivered as {dtype}",
            message=f"the model expects {reading.path!r} as {reading.expected}, but the"
            f" {column.origin} {column.ref!r} is {column.type}, delivered as {dtype}; MLflow lets"
            " that through without a look, and the model gets values it was not trained on",
        )


RULE = Rule(
    id="FIT012",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="No column reaches the model unchecked as something it does not expect.",
    why=(
        "MLflow looks at the dtype of a column, and `object` is enough for `string`, `binary` and "
        "`boolean`; values of named tensors are cast without a look (1.9 becomes 1). No error is "
        "raised, and the model gets what it was never trained on. **Like FIT007 and FIT009, this "
        "rule refuses what MLflow accepts.**"
    ),
    remedy="declare the feature with the type that the model expects, or log the signature again",
    example="signature boolean, feature String: every text is passed on as it is",
    check=_check,
)
