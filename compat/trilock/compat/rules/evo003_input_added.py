"""EVO003: who asks for one side's features can ask for the other's."""

from collections.abc import Iterator

from trilock.compat.evolution import comparisons
from trilock.compat.frame import Origin
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for pair in comparisons(context):
        for name, asked in pair.writer.columns.items():
            passed = pair.reader.columns.get(name)
            if asked.origin is Origin.FEATURE:
                continue
            if passed is None or passed.origin is Origin.FEATURE:
                yield Violation(
                    path=name,
                    expected=f"no {asked.origin} {name!r}, as in {pair.reader_name}",
                    found=f"{asked.type}, in {pair.writer_name}",
                    message=f"mode {context.policy.mode}: callers of {pair.reader_name} do not pass"
                    f" {name!r}, but the features of {pair.writer_name} want it as {asked.origin}",
                )


RULE = Rule(
    id="EVO003",
    category=Category.EVOLUTION,
    severity=Severity.ERROR,
    purpose="Who asks for one side's features can ask for the other's.",
    why=(
        "Join keys and request fields are passed in by callers. Features that want one more "
        "cannot be asked for by those who do not know of it."
    ),
    remedy="let callers pass the new value first, in a release of its own",
    example="FORWARD, and a view has got the further entity 'carrier'",
    check=_check,
)
