"""EVI001: everything a verdict needs is known."""

from collections.abc import Iterator

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
