"""FIT005: a batch with missing rows is accepted too."""

from collections.abc import Iterator
from typing import Final

from trilock.compat.conversion import Outcome
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation

_THEN: Final = {
    Outcome.REFUSED: "MLflow refuses the whole batch",
    Outcome.DEPENDS: "MLflow accepts or refuses by which rows are missing",
    Outcome.UNCHECKED: "MLflow casts that without a look",
}


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        column = reading.column
        if column is None or reading.full is not Outcome.ACCEPTED or reading.gaps not in _THEN:
            continue
        yield Violation(
            path=reading.path,
            expected=f"{reading.expected}, in every batch",
            found=f"{column.type}, delivered as {reading.gap_dtype} when rows are missing",
            message=f"the model expects {reading.path!r} as {reading.expected}, but when rows of"
            f" {column.ref!r} ({column.type}) are missing it is delivered as {reading.gap_dtype},"
            f" and {_THEN[reading.gaps]}",
        )


RULE = Rule(
    id="FIT005",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="A batch with missing rows is accepted too.",
    why=(
        "Nothing in Feast says that a row is always there. One unknown entity in a batch turns a "
        "whole int column into float64, which `long` refuses, and a batch of unknown entities "
        "only turns every online column into `None`s. Float64 with `double`, Bool with `boolean` "
        "and String with `string` survive all of that; required lists and structs do not.\n\n"
        "An Int64 feature that can be missing fits *no* MLflow type: `long` refuses float64, "
        "`double` refuses int64."
    ),
    remedy="declare the feature Float64 and the input double, or say in the policy that rows of"
    " this view are NEVER_MISSING",
    example="signature long, feature Int64: one unknown entity turns the column into float64",
    check=_check,
)
