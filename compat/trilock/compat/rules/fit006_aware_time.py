"""FIT006: no input of the model is a time with a zone."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.frame import Leaf
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        column = reading.column
        if column is None or column.cell is not Leaf.AWARE_TIME:
            continue
        if reading.full is not Outcome.REFUSED:
            continue
        yield Violation(
            path=reading.path,
            expected=reading.expected,
            found=f"{column.type}, delivered as datetime64[UTC]",
            message=f"the model expects {reading.path!r} as {reading.expected}, but"
            f" {column.ref!r} is {column.type}: Feast delivers times with a zone, and MLflow"
            " accepts none with a zone for any type",
        )


RULE = Rule(
    id="FIT006",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="No input of the model is a time with a zone.",
    why=(
        "Feast delivers UnixTimestamp and ZonedTimestamp as `datetime64[ns, UTC]`. MLflow's "
        "`datetime` takes naive times only, and no other type takes times at all."
    ),
    remedy="deliver the time as Float64 (seconds since the epoch) from an on-demand view, or train"
    " the model without it",
    example="signature datetime, feature UnixTimestamp",
    check=_check,
)
