"""CON002: features that another bundle reads keep their meaning."""

from collections.abc import Iterator

from trilock.compat.evolution import changed_meanings
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sharing import columns_read


def _check(context: Context) -> Iterator[Violation]:
    for consumer in context.consumers:
        read = columns_read(consumer.signature, consumer.columns)
        changes = changed_meanings(consumer.recorded, consumer.after, policy=consumer.policy)
        for change in changes:
            if read is None or change.column in read:
                yield Violation(
                    path=f"{consumer.name}/{change.ref}",
                    expected="made as it was recorded",
                    found=f"changed: {change.what}",
                    message=f"{consumer.name} expects {change.ref!r} as it was recorded, but it"
                    f" would be made in another way: {change.what}",
                )


RULE = Rule(
    id="CON002",
    category=Category.CONSUMERS,
    severity=Severity.ERROR,
    purpose="Features that another bundle reads keep their meaning.",
    why=(
        "The middle of a swap, and what it does to others, is compatible only if the fit passes "
        "*and* the features are made as they were when that model was recorded."
    ),
    remedy="deploy side by side, which touches no other bundle, or give the new meaning a new name",
    example="weather:temp changes from F to C in place, and models/eta/bundles/4 reads it too",
    check=_check,
)
