"""EVO001: what one side's model reads, the other side's features deliver."""

from collections.abc import Iterator

from trilock.compat.evolution import comparisons
from trilock.compat.frame import Origin
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for pair in comparisons(context):
        for name, wanted in pair.reader.columns.items():
            if wanted.origin is Origin.FEATURE and name not in pair.writer.columns:
                yield Violation(
                    path=wanted.ref,
                    expected=f"{wanted.type}, for {pair.reader_name}",
                    found=f"nothing, in {pair.writer_name}",
                    message=f"mode {context.policy.mode}: a model of {pair.reader_name} expects"
                    f" {wanted.ref!r}, but the features of {pair.writer_name} do not have it",
                )


RULE = Rule(
    id="EVO001",
    category=Category.EVOLUTION,
    severity=Severity.ERROR,
    purpose="What one side's model reads, the other side's features deliver.",
    remedy="keep the feature (FORWARD), or bring the new one in with a release of its own before"
    " the model that needs it (BACKWARD); side by side, mode NONE is enough",
    example="FORWARD, and the new schema has dropped weather:gust",
    check=_check,
)
