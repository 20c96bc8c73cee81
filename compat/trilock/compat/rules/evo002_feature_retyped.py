"""EVO002: what both sides have, the reading side can read."""

from collections.abc import Iterator

from trilock.compat.evolution import comparisons, readable
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for pair in comparisons(context):
        for name, wanted in pair.reader.columns.items():
            found = pair.writer.columns.get(name)
            if found is not None and not readable(found, reader=wanted):
                yield Violation(
                    path=wanted.ref,
                    expected=f"{_shown(wanted.type, wanted.vector_length)}, for {pair.reader_name}",
                    found=f"{_shown(found.type, found.vector_length)}, in {pair.writer_name}",
                    message=f"mode {context.policy.mode}: a model of {pair.reader_name} expects"
                    f" {wanted.ref!r} as {_shown(wanted.type, wanted.vector_length)}, but the"
                    f" features of {pair.writer_name} have"
                    f" {_shown(found.type, found.vector_length)}",
                )


def _shown(type_: object, length: int | None) -> str:
    return f"{type_}" if length is None else f"{type_} of length {length}"


RULE = Rule(
    id="EVO002",
    category=Category.EVOLUTION,
    severity=Severity.ERROR,
    purpose="What both sides have, the reading side can read.",
    why=(
        "A reader of a wider type can read a narrower one: Int64 reads Int32, Float64 reads "
        "Float32, also inside lists, sets and structs. Everything else is a break, other lengths "
        "of a vector included."
    ),
    remedy="give the new type a new name and keep the old feature beside it",
    example="FORWARD, and weather:temp was Float64 and is String now",
    check=_check,
)
