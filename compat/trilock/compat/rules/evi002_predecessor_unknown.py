"""EVI002: the predecessors that an evolution mode compares with are known."""

from collections.abc import Iterator

from trilock.compat.evolution import compared
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    mode = context.policy.mode
    for predecessor in compared(context):
        for missing in predecessor.subject.features.undecidable:
            yield Violation(
                path=predecessor.name,
                expected=f"a predecessor that mode {mode} can compare with",
                found=missing,
                message=f"mode {mode} compares with {predecessor.name}, but {missing}",
            )


RULE = Rule(
    id="EVI002",
    category=Category.EVIDENCE,
    severity=Severity.ERROR,
    purpose="The predecessors that an evolution mode compares with are known.",
    why=(
        "An evolution mode compares with predecessors. One that cannot be read whole cannot be "
        "compared with. Under mode `NONE`, the default, nothing is compared and this rule is "
        "silent."
    ),
    remedy="record the predecessor again, or choose a mode that is not transitive",
    example="FULL_TRANSITIVE, and the oldest predecessor was written by a newer Feast",
    check=_check,
)
