"""FIT007: every input of the model has a name of its own."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    signature = context.subject.signature
    for name in () if signature is None else signature.duplicates():
        yield Violation(
            path=name,
            expected="one input of each name",
            found=f"several inputs {name!r}",
            message=f"the model expects one column per input, but {name!r} is in its signature"
            " more than once, and MLflow enforces only the last",
        )


RULE = Rule(
    id="FIT007",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Every input of the model has a name of its own.",
    why=(
        "MLflow lets a signature have two inputs of one name and then enforces the type of the "
        "last. Which of the two the model reads is anybody's guess."
    ),
    remedy="log the signature again, from a frame without duplicate columns",
    example="signature with 'temp' as double and again as string; MLflow does not object",
    check=_check,
)
