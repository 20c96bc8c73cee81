"""LIN002: the model was trained on the feature service it is bundled with."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    trained = context.subject.lineage.trained_service
    bundled = context.subject.features.service
    if trained and trained != bundled:
        yield Violation(
            path=context.subject.name,
            expected=f"feature service {trained!r}, which the model says it was trained on",
            found=f"feature service {bundled!r}",
            message=f"the model says it was trained on feature service {trained!r}, but it is"
            f" bundled with {bundled!r}",
        )


RULE = Rule(
    id="LIN002",
    category=Category.LINEAGE,
    severity=Severity.WARNING,
    purpose="The model was trained on the feature service it is bundled with.",
    why=(
        "Feast's MLflow integration tags runs and versions with the feature service they used. A "
        "model that fits another service by its types may still expect other features."
    ),
    remedy="record the bundle with the feature service of the training run",
    example="the model version is tagged feast.feature_service=delay_v1, the bundle has delay_v2",
    check=_check,
)
