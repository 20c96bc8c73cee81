"""LIN001: the model was trained at the commit it is bundled with."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    trained, bundled = context.subject.lineage.trained_commit, context.subject.pipeline_revision
    if not trained or not bundled:
        return
    # A hint may be abbreviated; a recorded revision never is.
    if not bundled.startswith(trained.lower()):
        yield Violation(
            path=context.subject.name,
            expected=f"commit {trained}, where the model says it was trained",
            found=f"commit {bundled}",
            message=f"the model says it was trained at commit {trained}, but it is bundled with"
            f" {bundled}",
        )


RULE = Rule(
    id="LIN001",
    category=Category.LINEAGE,
    severity=Severity.WARNING,
    purpose="The model was trained at the commit it is bundled with.",
    why=(
        "MLflow notes the commit of the script that logged the model. It is a hint: it does not "
        "flag dirty trees, and it is missing outside git. An abbreviated commit is compared as "
        "such; no commit, no finding."
    ),
    remedy="record the bundle with the commit of the training run",
    example="mlflow.source.git.commit is 9c1f..., the bundle names 77ab...",
    check=_check,
)
