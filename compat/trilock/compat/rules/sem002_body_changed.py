"""SEM002: a transformation with the same text has the same surroundings."""

from collections.abc import Iterator

from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for predecessor in context.predecessors[:1]:
        before, now = predecessor.subject.features, context.subject.features
        for key, body in now.bodies.items():
            same_text = before.semantics.get(key) == now.semantics[key]
            if same_text and key in before.bodies and before.bodies[key] != body:
                yield Violation(
                    path=key,
                    expected=f"the pickled transformation of {predecessor.name}",
                    found="another one with the same text",
                    message=f"the transformation of {key} has the text it had in"
                    f" {predecessor.name}, but other bytes: a helper or a global may have changed,"
                    " or only its place in the file",
                )


RULE = Rule(
    id="SEM002",
    category=Category.SEMANTICS,
    severity=Severity.INFO,
    purpose="A transformation with the same text has the same surroundings.",
    why=(
        "Only the text of a transformation decides about compatibility. Its pickled body also "
        "contains globals and the place in the file, and changes with either. Equal text and "
        "other bytes may mean that a helper changed, or that a line was added above."
    ),
    remedy="compare the two pipeline commits: helpers and globals are not in the text",
    example="the transformation multiplies with a module global K, and K was changed",
    check=_check,
)
