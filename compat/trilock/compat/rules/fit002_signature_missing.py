"""FIT002: the model has a signature."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    if context.subject.signature is None:
        yield Violation(
            path=context.subject.name,
            expected="a signature with inputs",
            found="no signature",
            message="the model says nothing of what it expects: it was logged without a signature",
        )


RULE = Rule(
    id="FIT002",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="The model has a signature.",
    why=(
        "Without a signature MLflow hands over whatever comes, in whatever order, and the first "
        "sign of a wrong feature is a wrong prediction. trilock refuses such a model."
    ),
    remedy="log the model with signature=infer_signature(features as they are served, predictions)",
    example="mlflow.sklearn.log_model(model) without signature and without input_example",
    check=_check,
)
