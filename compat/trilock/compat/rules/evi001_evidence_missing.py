"""EVI001: everything a verdict needs is known."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.feast_types import has_unknown
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for missing in context.subject.features.undecidable:
        yield Violation(
            path=context.subject.features.service,
            expected="a feature service that can be read whole",
            found=missing,
            message=f"a verdict needs all of the feature service to be known, but {missing}",
        )
    for reading in context.readings:
        column = reading.column
        # What cannot be told of the declared type itself was said above.
        if column is None or reading.full is not Outcome.UNKNOWN or has_unknown(column.type):
            continue
        path = context.policy.serving_path.lower()
        yield Violation(
            path=reading.path,
            expected=f"a column that the {path} path is known to deliver",
            found=str(column.cell),
            message=f"the model reads {reading.path!r}, but what the {path} path delivers for"
            f" {column.ref!r} is {column.cell}",
            remedy="declare the feature with another type, e.g. Json for a map",
        )


RULE = Rule(
    id="EVI001",
    category=Category.EVIDENCE,
    severity=Severity.ERROR,
    purpose="Everything a verdict needs is known.",
    why=(
        'A verdict over half of the evidence would be a guess, and a guess that says "compatible" '
        "takes production down. So a type, a field or an object that trilock does not know makes "
        "the verdict `UNDECIDABLE`, unless something else is wrong for certain.\n\n"
        "What is reported: proto fields written by a newer Feast, fields this trilock cannot "
        "classify, types it does not know, a struct or nested collection whose inner types were "
        "lost (Feast 0.67 loses them for on-demand views that go through `from_proto`), a view "
        "that the service names and the capture lacks, a projection pinned to a version of a "
        "view."
    ),
    remedy="capture the feature service again, with a trilock that knows its version of Feast",
    example="a view with a feature of type number 99, which this trilock does not know",
    check=_check,
)
