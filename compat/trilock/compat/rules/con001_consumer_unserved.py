"""CON001: every other bundle that reads these features still fits."""

from collections.abc import Iterator

from trilock.compat.context import make_context
from trilock.compat.features import FeatureSet
from trilock.compat.fit_rules import FIT_RULES
from trilock.compat.report import Category, Finding, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.subject import Consumer, Subject


def _check(context: Context) -> Iterator[Violation]:
    for consumer in context.consumers:
        # What was wrong before was accepted when it was recorded; a swap adds to it or not.
        known = {_identity(finding) for finding in _errors(consumer, consumer.recorded)}
        for finding in _errors(consumer, consumer.after):
            if _identity(finding) not in known:
                yield Violation(
                    path=f"{consumer.name}/{finding.path}",
                    expected=finding.expected,
                    found=finding.found,
                    message=f"{consumer.name} would break ({finding.rule}): {finding.message}",
                )


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.path, finding.found


def _errors(consumer: Consumer, features: FeatureSet) -> list[Finding]:
    if consumer.signature is None:
        return []  # EVI003 says so, if anything changes.
    subject = Subject(
        name=consumer.name,
        signature=consumer.signature,
        features=features,
        columns=consumer.columns,
    )
    context = make_context(subject, policy=consumer.policy)
    findings = (finding for rule in FIT_RULES for finding in rule.findings(context))
    return [finding for finding in findings if finding.severity is Severity.ERROR]


RULE = Rule(
    id="CON001",
    category=Category.CONSUMERS,
    severity=Severity.ERROR,
    purpose="Every other bundle that reads these features still fits.",
    why=(
        "Views are shared. Before a swap in place every other live bundle and every rollback "
        "target that reads them is checked as if the swap had been made, on its own serving path "
        "and null policy. What did not fit before is not held against the swap."
    ),
    remedy="deploy side by side, which touches no other bundle, or keep what the other one reads",
    example="the new schema drops weather:gust, which models/eta/bundles/4 still reads",
    check=_check,
)
