"""CON003: what a bundle's readers share with another alias suits it, and still will."""

from collections.abc import Iterator

from trilock.compat.evolution import changed_meanings
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sharing import columns_read, new_errors


def _check(context: Context) -> Iterator[Violation]:
    subject, policy = context.subject, context.policy
    read = columns_read(subject.signature, subject.columns)
    for state in context.shared:
        for finding in new_errors(subject, after=state.after, policy=policy):
            yield Violation(
                path=finding.path,
                expected=finding.expected,
                found=finding.found,
                message=f"{state.cause} breaks it ({finding.rule}): {finding.message}",
            )
        for change in changed_meanings(subject.features, state.after, policy=policy):
            if read is None or change.column in read:
                yield Violation(
                    path=change.ref,
                    expected="made as it was recorded",
                    found=f"changed: {change.what}",
                    message=f"{state.cause} makes {change.ref!r} in another way than it was"
                    f" recorded: {change.what}",
                )


RULE = Rule(
    id="CON003",
    category=Category.CONSUMERS,
    severity=Severity.ERROR,
    purpose="What is shared with another alias suits the bundle, also after a rollback there.",
    why=(
        "Where readers of one model read a Feast project that mirrors the live bundle of another "
        "one, a promotion there and a rollback there change what they get. So a bundle must fit "
        "what is mirrored now. And while the release that is mirrored soaks, it must fit what a "
        "rollback of it would bring back: else going live on features in soak would make their "
        "rollback impossible."
    ),
    remedy="wait until the other release is final, promote both with --with, or keep what the"
    " other side mirrors",
    example="models/delay/releases/9 soaks and brought weather:gust, which models/eta/bundles/5"
    " reads; rolling it back takes weather:gust away",
    check=_check,
)
