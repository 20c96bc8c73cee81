"""FIT017: whoever reads predictions finds what the predecessor wrote."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.sinks import outputs


def _check(context: Context) -> Iterator[Violation]:
    for predecessor in context.predecessors[:1]:
        before, now = outputs(predecessor.subject.signature), outputs(context.subject.signature)
        # A signature without outputs says nothing, which is no change.
        for name in before if now else ():
            if now.get(name) != before[name]:
                found = now.get(name, "nothing")
                yield Violation(
                    path=name,
                    expected=f"{before[name]}, as {predecessor.name} wrote it",
                    found=found,
                    message=f"readers of predictions expect {name!r} as {before[name]}, which"
                    f" {predecessor.name} wrote, but this model writes {found}",
                )


RULE = Rule(
    id="FIT017",
    category=Category.FIT,
    severity=Severity.WARNING,
    purpose="Whoever reads predictions finds what the predecessor wrote.",
    why=(
        "Predictions are read by somebody. A model that writes another type or name than its "
        "predecessor breaks them although nothing is wrong with the model."
    ),
    remedy="tell the readers before the promotion, or keep the old output beside the new one",
    example="the predecessor wrote 'delay' as double, the new model writes it as string",
    check=_check,
)
