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
    why=(
        "`FORWARD`: a model of the old features must work on the new ones, so nothing it may read "
        "can be dropped. `BACKWARD`: a model of the new features must work on the old ones, so "
        "nothing can be added. `FULL`: neither. `_TRANSITIVE`: against every predecessor, not "
        "only the last.\n\n"
        "Confluent's names and meanings, with one difference: features have no default value, so "
        "every field counts as required.\n\n"
        "The default mode is `NONE`. Side by side each model has its own features, and a new "
        "model with a new feature is an ordinary release."
    ),
    remedy="keep the feature (FORWARD), or bring the new one in with a release of its own before"
    " the model that needs it (BACKWARD); side by side, mode NONE is enough",
    example="FORWARD, and the new schema has dropped weather:gust",
    check=_check,
)
