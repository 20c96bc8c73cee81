"""What an epoch holds apart from the table: staged, kept out of it, or taken out again."""

# What is formatted into statements is identifiers, quoted by the dialect.

from collections.abc import Iterator
from dataclasses import dataclass

from trilock.client.sinks.layout import ImageMode, Shape
from trilock.client.sinks.session import NO_PARAMS, Dialect, Params, Row, Session
from trilock.client.sinks.statements import Fragments


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far merge and undo of an epoch are; the names are the fence row's columns."""

    merged_through: int
    undone_through: int
    undone: bool


def stream_apart(session: Session, shape: Shape, progress: Progress) -> Iterator[Row]:
    """Yield the rows held apart, in key order; without keys, ordered by all columns."""
    source = apart_source(session.dialect, shape, progress)
    if source is None:
        return
    f = Fragments(session.dialect, shape)
    columns = ", ".join(str(n + 1) for n in range(len(shape.names)))
    order = columns if shape.image is None else f.keys("s")
    yield from session.stream(f"SELECT {f.names('s')} {source[0]} ORDER BY {order}", source[1])


def apart_source(dialect: Dialect, shape: Shape, progress: Progress) -> tuple[str, Params] | None:
    """Return `FROM ... WHERE ...` over the rows held apart, as `s`; None if there are none."""
    f = Fragments(dialect, shape)
    if shape.image is None:
        if progress.merged_through and not progress.undone:
            return None
        return f"FROM {f.staging} s", NO_PARAMS
    param = dialect.param
    condition = apart_condition(f, merged=param("merged"), undone=param("undone"))
    source = f"FROM {f.staging} s JOIN {f.image} b ON {f.on('s', 'b')} WHERE {condition}"
    return source, {"merged": progress.merged_through, "undone": progress.undone_through}


def apart_condition(f: Fragments, *, merged: str, undone: str) -> str:
    """Return the condition that the epoch's row of an image row `b` is not in the table."""
    staged, kept, left = ImageMode.STAGED, ImageMode.KEPT, ImageMode.LEFT
    return (
        f"(b.{f.mode} = '{kept}' OR b.{f.mode} = '{staged}' AND b.{f.seq} > {merged} "
        f"OR b.{f.mode} <> '{left}' AND b.{f.seq} <= {undone})"
    )
