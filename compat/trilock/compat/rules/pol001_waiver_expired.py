"""POL001: no waiver has outlived its day."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for waiver in context.policy.waivers:
        if context.today is not None and context.today > waiver.expires:
            yield Violation(
                path=waiver.path,
                expected=f"a waiver of {waiver.rule} that is still good",
                found=f"one that expired on {waiver.expires.isoformat()}",
                message=f"the waiver of {waiver.rule} for {waiver.path!r} by {waiver.owner} expired"
                f" on {waiver.expires.isoformat()} and counts no more ({waiver.reason})",
            )


RULE = Rule(
    id="POL001",
    category=Category.POLICY,
    severity=Severity.WARNING,
    purpose="No waiver has outlived its day.",
    why=(
        "A waiver lets a check pass in spite of one finding until a day. After that day the "
        "finding counts again, and this rule says why. Waived findings are shown in every report."
    ),
    remedy="mend what was waived and remove the waiver, or renew it with a new date and reason",
    example="a waiver of FIT013 until 2026-01-31, and today is 2026-02-01",
    check=_check,
)
