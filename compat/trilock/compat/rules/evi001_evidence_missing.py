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
    remedy="capture the feature service again, with a trilock that knows its version of Feast",
    example="a view with a feature of type number 99, which this trilock does not know",
    check=_check,
)
