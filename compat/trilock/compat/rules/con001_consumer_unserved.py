"""CON001: every other bundle that reads these features still fits."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sharing import new_errors
from trilock.compat.subject import Subject


def _check(context: Context) -> Iterator[Violation]:
    for consumer in context.consumers:
        reader = Subject(
            name=consumer.name,
            signature=consumer.signature,
            features=consumer.recorded,
            columns=consumer.columns,
        )
        for finding in new_errors(reader, after=consumer.after, policy=consumer.policy):
            yield Violation(
                path=f"{consumer.name}/{finding.path}",
                expected=finding.expected,
                found=finding.found,
                message=f"{consumer.name} would break ({finding.rule}): {finding.message}",
            )


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
