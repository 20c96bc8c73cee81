"""FIT008: every delivered feature has a column name of its own."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for name, refs in context.frame.collisions.items():
        yield Violation(
            path=name,
            expected=f"one feature for column {name!r}",
            found=", ".join(sorted(refs)),
            message=f"the model expects one column {name!r}, but {' and '.join(sorted(refs))} both"
            " claim it, and Feast refuses to serve the whole service",
        )


RULE = Rule(
    id="FIT008",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="Every delivered feature has a column name of its own.",
    why=(
        "Two views in one service may have a feature of the same name. Served with short names, "
        "Feast raises `FeatureNameCollisionError` for the whole service."
    ),
    remedy="take only one of them into the feature service, or serve with full_feature_names",
    example="origin:temp and dest:temp in one service, served as plain 'temp'",
    check=_check,
)
