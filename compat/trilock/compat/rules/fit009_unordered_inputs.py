"""FIT009: inputs without names come with an order of columns."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    subject = context.subject
    if subject.signature is None or subject.signature.named or subject.columns is not None:
        return
    kind = "tensor" if subject.signature.tensors else "columns"
    yield Violation(
        path=subject.name,
        expected=f"{kind} without names, told apart by their order",
        found="no recorded order of columns",
        message=f"the model expects {kind} without names, but no order of columns was recorded:"
        " MLflow accepts them in any order, and the predictions are wrong in all but one",
    )


RULE = Rule(
    id="FIT009",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Inputs without names come with an order of columns.",
    why=(
        "`infer_signature` on a numpy array gives one tensor without a name, `[-1, 12]`. MLflow "
        "then accepts any frame of twelve numbers, in any order: a service that delivers the same "
        "features in another order gives wrong predictions and no error. trilock judges such a "
        "model only if the ordered columns were recorded with it."
    ),
    remedy="log the signature from a DataFrame, so that inputs have names, or record the ordered"
    " columns that the serving layer hands over",
    example="infer_signature(X.to_numpy(), ...) gives one tensor (-1, 12) without a name",
    check=_check,
)
