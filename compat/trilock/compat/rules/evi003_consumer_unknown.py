"""EVI003: what a swap does to each other bundle can be told."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for consumer in context.consumers:
        missing = [*consumer.recorded.undecidable, *consumer.after.undecidable]
        same = consumer.recorded.digests.contract == consumer.after.digests.contract
        if consumer.signature is None and not same:
            missing.append("its model has no signature, and the contract of its features changes")
        for what in missing:
            yield Violation(
                path=consumer.name,
                expected="another bundle whose fit can be judged",
                found=what,
                message=f"{consumer.name} reads these features too, but {what}",
            )
    for state in context.shared:
        for what in state.after.undecidable:
            if what not in context.subject.features.undecidable:
                yield Violation(
                    path=context.subject.name,
                    expected="shared features that can be told",
                    found=what,
                    message=f"{state.cause} leaves features that cannot be told: {what}",
                )


RULE = Rule(
    id="EVI003",
    category=Category.EVIDENCE,
    severity=Severity.ERROR,
    purpose="What a swap does to each other bundle can be told.",
    why=(
        "A swap in place touches every bundle that reads the same views. If one of them has no "
        "signature, trilock can vouch for it only while the contract of its features stays "
        "exactly as it is."
    ),
    remedy="deploy side by side, which touches no other bundle, or record that bundle again",
    example="the eta model shares a view and was logged without a signature",
    check=_check,
)
