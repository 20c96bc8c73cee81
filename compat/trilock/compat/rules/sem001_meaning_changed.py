"""SEM001: a feature that looks the same is made in the same way."""

from collections.abc import Iterator

from trilock.compat.evolution import changed_meanings
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for predecessor in context.predecessors[:1]:
        before = predecessor.subject.features
        for change in changed_meanings(before, context.subject.features, policy=context.policy):
            yield Violation(
                path=change.ref,
                expected=f"made as in {predecessor.name}",
                found=f"changed: {change.what}",
                message=f"{change.ref!r} looks as in {predecessor.name}, but it is made in another"
                f" way: {change.what}",
            )


RULE = Rule(
    id="SEM001",
    category=Category.SEMANTICS,
    severity=Severity.WARNING,
    purpose="A feature that looks the same is made in the same way.",
    why=(
        "The silent failure: the schema did not change, the embedding did. Name and type are as "
        "before, every check of types passes, and the model reads another quantity. trilock "
        "compares how each feature is made: transformation (its syntax tree, so comments and "
        "layout do not count), sources, ttl, entities, join keys, and everything it is made "
        "from.\n\n"
        "For the new model this is a warning, because a model that was trained on the new meaning "
        "is right to want it. For every *other* bundle that reads the feature it is an error: "
        "CON002."
    ),
    remedy="make sure that this model was trained on the new meaning and that jobs feed it; a new"
    " name for a new meaning (temp_c for temp) makes the mistake impossible",
    example="a transformation gives temp in Celsius now; name and type are as before",
    check=_check,
)
